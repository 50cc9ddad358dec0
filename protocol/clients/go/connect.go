package cinch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	startPatience   = 20 * time.Second
	stopPatience    = 10 * time.Second
	idleExitSeconds = "600"
)

// Options say how to connect. The zero value is the project of the working directory.
type Options struct {
	// Project is the project's folder; by default it is looked for upward from CINCH_PROJECT or the working directory.
	Project string
	Scope   Scope
	// NoStart: do not start a daemon where none runs.
	NoStart bool
	// Command is how cinchd is run; by default what CINCHD says, or cinchd on the PATH.
	Command []string
}

// Connect connects to a project's daemon, starting one where none runs. A connection that was lost is made anew by the
// next call, unless a transaction or a cursor was open on it.
func Connect(ctx context.Context, options Options) (*Client, error) {
	project, err := projectOf(options.Project)
	if err != nil {
		return nil, err
	}
	dial := func(ctx context.Context) (*conn, error) { return dialProject(ctx, project, options) }
	return open(ctx, dial, &link{dial: dial, turn: make(chan struct{}, 1)}, options.Scope)
}

// ConnectStdio starts a cinchd for this client alone and speaks over its pipes. It ends with the client.
func ConnectStdio(ctx context.Context, options Options) (*Client, error) {
	project, err := projectOf(options.Project)
	if err != nil {
		return nil, err
	}
	dial := func(context.Context) (*conn, error) { return startStdio(project, options) }
	return open(ctx, dial, &link{}, options.Scope)
}

func open(ctx context.Context, dial func(context.Context) (*conn, error), link *link, scope Scope) (*Client, error) {
	conn, err := link.establish(ctx, dial)
	if err != nil {
		return nil, err
	}
	link.conn.Store(conn)
	return newClient(link, scope, nil), nil
}

// establish connects, and agrees with the daemon on a version of the protocol.
func (l *link) establish(ctx context.Context, dial func(context.Context) (*conn, error)) (*conn, error) {
	giveUpAt := time.Now().Add(startPatience)
	for {
		conn, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		err = l.greet(ctx, conn)
		if err == nil {
			return conn, nil
		}
		// One that was just stopping: there will be another.
		isStopping := errors.Is(err, ErrConnectionLost) || errors.Is(err, KindShuttingDown)
		if l.dial == nil || !isStopping || time.Now().After(giveUpAt) || ctx.Err() != nil {
			return nil, err
		}
	}
}

// FindProject is the nearest project's folder from start upward; start is by default CINCH_PROJECT, or the working
// directory.
func FindProject(start string) (string, error) {
	if start == "" {
		start = os.Getenv("CINCH_PROJECT")
	}
	first, err := filepath.Abs(start)
	if err != nil {
		return "", err
	}
	for folder := first; ; folder = filepath.Dir(folder) {
		if isProject(folder) {
			return folder, nil
		}
		if folder == filepath.Dir(folder) {
			return "", noProject(first)
		}
	}
}

func projectOf(given string) (string, error) {
	if given == "" {
		return FindProject("")
	}
	folder, err := filepath.Abs(given)
	if err == nil && !isProject(folder) {
		err = noProject(folder)
	}
	return folder, err
}

func isProject(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, ".cinchdb", "metadata.db"))
	return err == nil
}

func noProject(path string) error {
	return &Error{
		Code: 1100, Kind: KindProjectNotFound, Message: "No project here", Hint: "cinch init makes one",
		Data: map[string]any{"path": path},
	}
}

func checkVersion(spoken string) error {
	if strings.Split(spoken, ".")[0] == strings.Split(protocolVersion, ".")[0] {
		return nil
	}
	return &Error{
		Code: 1005, Kind: KindVersionMismatch, Message: "Client and daemon speak different protocol versions",
		Hint: "cinch daemon restart starts the installed version",
		Data: map[string]any{"client": protocolVersion, "daemon": spoken},
	}
}

func dialProject(ctx context.Context, project string, options Options) (*conn, error) {
	log := filepath.Join(project, ".cinchdb", "daemon.log")
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	var ended <-chan error
	var logStart int64
	look := time.NewTicker(15 * time.Millisecond)
	defer look.Stop()
	for {
		running, err := runningDaemon(ctx, project)
		if running != nil || err != nil {
			return running, err
		}
		if options.NoStart {
			return nil, fmt.Errorf("%w: no daemon runs for %s; `cinch daemon start` starts one", ErrConnectionLost, project)
		}
		if ended == nil {
			logStart = sizeOf(log)
			if ended, err = startDaemon(project, log, options.Command); err != nil {
				return nil, err
			}
		}
		select {
		case err := <-ended:
			if err != nil {
				return nil, fmt.Errorf("%w: cinchd: %w: %s", ErrConnectionLost, err, lastWords(log, logStart))
			}
			// It found another one at work, which may have stopped since.
			ended = nil
		case <-look.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("cinch: the daemon did not start; its log is %s: %w", log, ctx.Err())
		}
	}
}

// runningDaemon is a connection to the daemon that daemon.json tells of; nil where nobody answers there.
func runningDaemon(ctx context.Context, project string) (*conn, error) {
	var said struct {
		Socket          string `json:"socket"`
		ProtocolVersion string `json:"protocolVersion"`
	}
	data, err := os.ReadFile(filepath.Join(project, ".cinchdb", "daemon.json"))
	if errors.Is(err, os.ErrNotExist) || err == nil && json.Unmarshal(data, &said) != nil || err == nil && said.Socket == "" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	socket, err := new(net.Dialer).DialContext(ctx, "unix", said.Socket)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := checkVersion(said.ProtocolVersion); err != nil {
		_ = socket.Close()
		return nil, err
	}
	return newConn(socket), nil
}

// startDaemon starts one that outlives this process, and tells when it ended.
func startDaemon(project, log string, command []string) (<-chan error, error) {
	daemon, err := daemonCommand(command, "--project", project, "--socket", "--idle-exit", idleExitSeconds)
	if err != nil {
		return nil, err
	}
	stderr, err := os.OpenFile(log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer stderr.Close()
	daemon.Stderr = stderr
	daemon.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := daemon.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	// Somebody has to take its exit code when it ends, while this process lives.
	go func() { ended <- daemon.Wait() }()
	return ended, nil
}

func daemonCommand(command []string, arguments ...string) (*exec.Cmd, error) {
	if len(command) == 0 {
		var err error
		if command, err = splitCommand(os.Getenv("CINCHD")); err != nil {
			return nil, err
		}
	}
	if len(command) == 0 {
		found, err := exec.LookPath("cinchd")
		if err != nil {
			return nil, errors.New("cinch: there is no cinchd on the PATH; say how to run it with Options.Command or CINCHD")
		}
		command = []string{found}
	}
	return exec.Command(command[0], append(command[1:len(command):len(command)], arguments...)...), nil
}

// splitCommand cuts a command line at blanks outside of quotes.
func splitCommand(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	var quote rune
	isOpen := false
	for _, letter := range line {
		switch {
		case quote != 0 && letter == quote:
			quote = 0
		case quote == 0 && (letter == '"' || letter == '\''):
			quote, isOpen = letter, true
		case quote == 0 && (letter == ' ' || letter == '\t'):
			if isOpen {
				words = append(words, word.String())
			}
			word.Reset()
			isOpen = false
		default:
			word.WriteRune(letter)
			isOpen = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("cinch: a quote is not closed in CINCHD: %s", line)
	}
	if isOpen {
		words = append(words, word.String())
	}
	return words, nil
}

// process is a cinchd --stdio as a stream. The end of its input is what ends it.
type process struct {
	io.Reader
	io.Writer
	input   io.Closer
	command *exec.Cmd
}

func startStdio(project string, options Options) (*conn, error) {
	command, err := daemonCommand(options.Command, "--project", project, "--stdio")
	if err != nil {
		return nil, err
	}
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	return newConn(&process{output, input, input, command}), nil
}

func (p *process) Close() error {
	_ = p.input.Close()
	killing := time.AfterFunc(stopPatience, func() { _ = p.command.Process.Kill() })
	defer killing.Stop()
	return p.command.Wait()
}

func sizeOf(file string) int64 {
	found, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return found.Size()
}

// lastWords are what a daemon that did not come up wrote to its log.
func lastWords(log string, start int64) string {
	data, err := os.ReadFile(log)
	if err != nil {
		return err.Error()
	}
	data = data[min(start, int64(len(data))):]
	return strings.TrimSpace(string(data[max(0, len(data)-2000):]))
}
