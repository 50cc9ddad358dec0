package cinch

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// cancelPatience is how long a call that was cancelled waits to hear whether it was done all the same.
const cancelPatience = time.Second

// maxWriteBytes is how much is put together for one write.
const maxWriteBytes = 64 * 1024

// conn carries messages both ways. One goroutine reads, so that answers find their calls whatever their order, and one
// writes what has come together meanwhile.
type conn struct {
	stream io.ReadWriteCloser
	sends  chan *message
	lastID atomic.Int64
	// open counts transactions and cursors: while there are any, nobody is given another connection in place of this one.
	open atomic.Int64

	lost    chan struct{}
	mutex   sync.Mutex
	reason  error
	pending map[int64]*pending
	ended   sync.WaitGroup

	discovery sync.Mutex
	methods   map[string]scopeNames
}

// message is one on its way out. Whoever takes it first, the writer or a caller who gave up, settles its fate.
type message struct {
	data  []byte
	taken atomic.Bool
}

// pending is a call that waits for its answer.
type pending struct {
	done   chan struct{}
	answer json.RawMessage
	err    error
	size   int

	mutex sync.Mutex
	news  []Progress
	wake  chan struct{}
}

func newConn(stream io.ReadWriteCloser) *conn {
	c := &conn{
		stream:  stream,
		sends:   make(chan *message, 64),
		lost:    make(chan struct{}),
		pending: map[int64]*pending{},
	}
	c.ended.Add(2)
	go c.read()
	go c.write()
	return c
}

// call sends a request and waits for its answer. A call whose context ends is cancelled at the daemon.
func (c *conn) call(
	ctx context.Context, id int64, method string, params []byte, onProgress func(Progress),
) (json.RawMessage, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	name, err := appendText(nil, method)
	if err != nil {
		return nil, err
	}
	data := fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,"method":%s,"params":%s}`+"\n", id, name, params)
	waiting := &pending{done: make(chan struct{}), size: len(data) - 1, wake: make(chan struct{}, 1)}
	c.mutex.Lock()
	if c.reason != nil {
		c.mutex.Unlock()
		return nil, c.reason
	}
	c.pending[id] = waiting
	c.mutex.Unlock()

	sent := &message{data: data}
	select {
	case c.sends <- sent:
	case <-c.lost:
	case <-ctx.Done():
		c.forget(id)
		return nil, ctx.Err()
	}
	for {
		select {
		case <-waiting.done:
			waiting.report(onProgress)
			return waiting.answer, c.toldOf(waiting.err, method, sent)
		case <-waiting.wake:
			waiting.report(onProgress)
		case <-ctx.Done():
			if sent.taken.CompareAndSwap(false, true) {
				c.forget(id)
				return nil, ctx.Err()
			}
			return c.cancel(ctx, id, method, waiting)
		}
	}
}

// toldOf is the error of a call that was answered, or whose connection was lost. One that nobody has taken to send it by
// then is not sent any more.
func (c *conn) toldOf(err error, method string, sent *message) error {
	if errors.Is(err, ErrConnectionLost) && !sent.taken.CompareAndSwap(false, true) {
		return fmt.Errorf("%w; %s: %w", err, method, ErrOutcomeUnknown)
	}
	return err
}

// cancel asks the daemon to stop a call, and waits a moment to hear what became of it.
func (c *conn) cancel(ctx context.Context, id int64, method string, waiting *pending) (json.RawMessage, error) {
	c.sendLater(fmt.Appendf(nil, `{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":%d}}`+"\n", id))
	patience := time.NewTimer(cancelPatience)
	defer patience.Stop()
	select {
	case <-waiting.done:
		// It may have been done before it could be stopped.
		if errors.Is(waiting.err, ErrCancelled) {
			return nil, fmt.Errorf("%w: %w", waiting.err, ctx.Err())
		}
		return waiting.answer, waiting.err
	case <-patience.C:
		c.forget(id)
		return nil, fmt.Errorf("cinch: %s: %w: %w", method, ctx.Err(), ErrOutcomeUnknown)
	}
}

// sendLater sends without waiting for room, and leaves it where the connection ends first.
func (c *conn) sendLater(data []byte) {
	sent := &message{data: data}
	select {
	case c.sends <- sent:
	default:
		go func() {
			select {
			case c.sends <- sent:
			case <-c.lost:
			}
		}()
	}
}

func (c *conn) forget(id int64) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	delete(c.pending, id)
}

func (p *pending) report(onProgress func(Progress)) {
	p.mutex.Lock()
	news := p.news
	p.news = nil
	p.mutex.Unlock()
	for _, each := range news {
		if onProgress != nil {
			onProgress(each)
		}
	}
}

// err is why the connection was lost; nil while it is not.
func (c *conn) err() error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.reason
}

func (c *conn) close() error {
	c.lose("the connection was closed")
	c.ended.Wait()
	return nil
}

func (c *conn) lose(reason string) {
	c.mutex.Lock()
	if c.reason != nil {
		c.mutex.Unlock()
		return
	}
	c.reason = fmt.Errorf("%w: %s", ErrConnectionLost, reason)
	waiting := c.pending
	c.pending = map[int64]*pending{}
	c.mutex.Unlock()
	close(c.lost)
	for _, each := range waiting {
		each.settle(nil, c.reason)
	}
	// A daemon of one's own may take its time to end.
	_ = c.stream.Close()
}

func (p *pending) settle(answer json.RawMessage, err error) {
	p.answer = answer
	p.err = err
	close(p.done)
}

func (c *conn) write() {
	defer c.ended.Done()
	var gathered []byte
	for {
		gathered = gathered[:0]
		select {
		case sent := <-c.sends:
			gathered = sent.take(gathered)
		case <-c.lost:
			return
		}
		for more := true; more && len(gathered) < maxWriteBytes; {
			select {
			case sent := <-c.sends:
				gathered = sent.take(gathered)
			default:
				more = false
			}
		}
		if _, err := c.stream.Write(gathered); err != nil {
			c.lose("the daemon does not read: " + err.Error())
			return
		}
	}
}

func (m *message) take(gathered []byte) []byte {
	if !m.taken.CompareAndSwap(false, true) {
		return gathered
	}
	return append(gathered, m.data...)
}

func (c *conn) read() {
	defer c.ended.Done()
	reader := bufio.NewReaderSize(c.stream, 256*1024)
	for {
		line, err := reader.ReadBytes('\n')
		if err != nil {
			if errors.Is(err, io.EOF) {
				c.lose("the daemon closed it")
			} else {
				c.lose(err.Error())
			}
			return
		}
		if err := c.receive(bytes.TrimSpace(line)); err != nil {
			c.lose("the daemon sent what is no message: " + err.Error())
			return
		}
	}
}

func (c *conn) receive(line []byte) error {
	if len(line) == 0 {
		return nil
	}
	var got struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
		Params struct {
			Token json.RawMessage `json:"token"`
			Value json.RawMessage `json:"value"`
		} `json:"params"`
		Result json.RawMessage `json:"result"`
		Error  *wireError      `json:"error"`
	}
	if err := json.Unmarshal(line, &got); err != nil {
		return err
	}
	switch {
	case got.Method == "$/progress":
		c.progressed(got.Params.Token, got.Params.Value)
	case got.Method != "" && got.ID != nil:
		name, err := json.Marshal(got.Method)
		if err != nil {
			return err
		}
		c.sendLater(fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"No such method",`+
			`"data":{"kind":"methodNotFound","method":%s}}}`+"\n", got.ID, name))
	case got.Method != "":
	case got.Error != nil && (got.ID == nil || string(got.ID) == "null"):
		c.faulted(got.Error.asError())
	default:
		c.answered(got.ID, got.Result, got.Error)
	}
	return nil
}

func (c *conn) answered(id, result json.RawMessage, refusal *wireError) {
	waiting := c.takePending(id)
	switch {
	case waiting == nil:
	case refusal != nil:
		waiting.settle(nil, refusal.asError())
	default:
		waiting.settle(result, nil)
	}
}

func (c *conn) takePending(text json.RawMessage) *pending {
	id, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return nil
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	waiting := c.pending[id]
	delete(c.pending, id)
	return waiting
}

func (c *conn) progressed(token, value json.RawMessage) {
	id, err := strconv.ParseInt(string(token), 10, 64)
	if err != nil {
		return
	}
	c.mutex.Lock()
	waiting := c.pending[id]
	c.mutex.Unlock()
	decoded, err := decodeValue(value)
	told, ok := decoded.(map[string]any)
	if waiting == nil || err != nil || !ok {
		return
	}
	waiting.mutex.Lock()
	waiting.news = append(waiting.news, told)
	waiting.mutex.Unlock()
	select {
	case waiting.wake <- struct{}{}:
	default:
	}
}

// faulted: an error that names no call, of the whole connection or of a message that was not even read.
func (c *conn) faulted(refusal *Error) {
	if refusal.Kind != "messageTooLarge" {
		c.lose(refusal.Error())
		return
	}
	largest, _ := refusal.Data["maxBytes"].(int64)
	c.mutex.Lock()
	var hit *pending
	var first int64
	for id, each := range c.pending {
		// Too large was the first that is; the daemon will tell of the next.
		if int64(each.size) > largest && (hit == nil || id < first) {
			hit, first = each, id
		}
	}
	if hit != nil {
		delete(c.pending, first)
	}
	c.mutex.Unlock()
	if hit != nil {
		hit.settle(nil, refusal)
	}
}

// scopeNames are the parameters by which a method is told a database, branch or tenant; empty: it is not.
type scopeNames struct {
	database, branch, tenant string
	transaction              bool
}

// discovered is what the daemon says of a method that was not known when this package was made, as a plugin's.
func (c *conn) discovered(ctx context.Context, method string) (scopeNames, error) {
	c.discovery.Lock()
	defer c.discovery.Unlock()
	if known, ok := c.methods[method]; ok {
		return known, nil
	}
	answer, err := c.call(ctx, c.lastID.Add(1), "rpc.discover", []byte("{}"), nil)
	if err != nil {
		return scopeNames{}, err
	}
	var described struct {
		Methods []struct {
			Name   string `json:"name"`
			Params []struct {
				Name     string `json:"name"`
				Required bool   `json:"required"`
			} `json:"params"`
		} `json:"methods"`
	}
	if err := json.Unmarshal(answer, &described); err != nil {
		return scopeNames{}, err
	}
	c.methods = map[string]scopeNames{}
	for _, each := range described.Methods {
		noun, _, _ := strings.Cut(each.Name, ".")
		var names scopeNames
		for _, param := range each.Params {
			switch {
			case param.Name == "database":
				names.database = param.Name
			case param.Name == "branch" || param.Name == "name" && !param.Required && noun == "branch":
				names.branch = param.Name
			case param.Name == "tenant" || param.Name == "name" && !param.Required && noun == "tenant":
				names.tenant = param.Name
			case param.Name == "transaction":
				names.transaction = true
			}
		}
		c.methods[each.Name] = names
	}
	return c.methods[method], nil
}
