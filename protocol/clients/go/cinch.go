// Package cinch is a client of cinch: SQLite with branches and tenants, behind one daemon per project.
//
//	db, err := cinch.Connect(ctx, cinch.Options{}) // the project of this folder; its daemon is started if none runs
//	defer db.Close()
//	acme := db.Scope(cinch.Scope{Tenant: "acme"}) // the same connection, another tenant
//	rows, err := acme.Query(ctx, "select email from user where id = ?", id)
//
// It speaks JSON-RPC 2.0, one JSON object a line, over the daemon's Unix socket or over the pipes of a
// `cinchd --stdio` that it starts. A [Client] can be shared by goroutines, whose calls overlap.
//
// Values go both ways as they are: nil, bool, int64, float64, string and []byte. A [time.Time] is sent as the daemon
// writes its own: text, ISO 8601 in UTC, to the millisecond.
package cinch

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"
)

const (
	version         = "0.1.0"
	protocolVersion = "1.0"
)

// Scope says where calls go. What is empty is the daemon's default: main.
type Scope struct {
	Database string `json:"database,omitempty"`
	Branch   string `json:"branch,omitempty"`
	Tenant   string `json:"tenant,omitempty"`
}

// Client is a connection to a daemon, seen from one scope. It can be shared by goroutines.
type Client struct {
	Nouns
	link        *link
	scope       Scope
	transaction *transaction
}

// Progress is what the daemon tells of a call that is under way.
type Progress map[string]any

// CallOption is something that any call takes.
type CallOption func(*callOptions)

type callOptions struct {
	timeout    time.Duration
	onProgress func(Progress)
}

// WithTimeout has the daemon give the call up after so long, with [ErrTimeout]. A context's deadline is kept to anyway.
func WithTimeout(limit time.Duration) CallOption {
	return func(options *callOptions) { options.timeout = limit }
}

// OnProgress is called, in the caller's goroutine, for what the daemon tells of the call while it is under way.
func OnProgress(report func(Progress)) CallOption {
	return func(options *callOptions) { options.onProgress = report }
}

func newClient(link *link, scope Scope, transaction *transaction) *Client {
	client := &Client{link: link, scope: scope, transaction: transaction}
	client.Nouns = nounsOf(client)
	return client
}

// Scope is a view of the same connection whose calls go elsewhere. What is empty in it stays as it is here.
func (c *Client) Scope(scope Scope) *Client {
	if scope.Database == "" {
		scope.Database = c.scope.Database
	}
	if scope.Branch == "" {
		scope.Branch = c.scope.Branch
	}
	if scope.Tenant == "" {
		scope.Tenant = c.scope.Tenant
	}
	return newClient(c.link, scope, c.transaction)
}

// Call calls any method by its name on the wire. A map's values are those of SQLite, and tagged as the wire wants them
// where the method takes rows; anything else is marshalled as it is. The result is unmarshalled into result, if that
// is not nil; a *any gets exact values.
func (c *Client) Call(ctx context.Context, method string, params, result any, options ...CallOption) error {
	conn, err := c.link.connection(ctx, c.transaction)
	if err != nil {
		return err
	}
	return c.callOn(ctx, conn, method, params, result, options...)
}

func (c *Client) callOn(
	ctx context.Context, conn *conn, method string, params, result any, options ...CallOption,
) error {
	var chosen callOptions
	for _, option := range options {
		option(&chosen)
	}
	id := conn.lastID.Add(1)
	sent, err := c.paramsOf(ctx, conn, method, params, chosen, id)
	if err != nil {
		return err
	}
	answer, err := conn.call(ctx, id, method, sent, chosen.onProgress)
	if err != nil || result == nil {
		return err
	}
	if untyped, ok := result.(*any); ok {
		*untyped, err = decodeValue(answer)
	} else {
		err = json.Unmarshal(answer, result)
	}
	if err != nil {
		return fmt.Errorf("cinch: the answer to %s: %w", method, err)
	}
	return nil
}

// paramsOf is the JSON of a call's parameters: what is given, and the scope as far as the method takes it.
func (c *Client) paramsOf(
	ctx context.Context, conn *conn, method string, params any, options callOptions, id int64,
) ([]byte, error) {
	given, err := encodeParams(method, params)
	if err != nil {
		return nil, fmt.Errorf("cinch: %s: %w", method, err)
	}
	takes, isKnown := scopeNamesOf(method)
	if !isKnown && (c.scope != Scope{} || c.transaction != nil) {
		if takes, err = conn.discovered(ctx, method); err != nil {
			return nil, err
		}
	}
	added := map[string]any{}
	if c.transaction != nil {
		if !takes.transaction {
			return nil, fmt.Errorf("cinch: %s: %w", method, ErrNotInTransaction)
		}
		added["transaction"] = c.transaction.id
	}
	add := func(param, name string) {
		if param != "" && name != "" {
			added[param] = name
		}
	}
	add(takes.database, c.scope.Database)
	add(takes.branch, c.scope.Branch)
	add(takes.tenant, c.scope.Tenant)
	if options.timeout > 0 {
		added["timeoutMs"] = max(1, options.timeout.Milliseconds())
	}
	if options.onProgress != nil {
		added["progressToken"] = id
	}
	return joinObjects(given, added)
}

// Close ends the connection; calls under way end with [ErrConnectionLost]. It ends that of every view of it, too.
func (c *Client) Close() error { return c.link.close() }

// Server is what the daemon said of itself when it was connected to.
func (c *Client) Server() Server { return *c.link.server.Load() }

// Server is what a daemon says of itself.
type Server struct {
	Server struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	} `json:"server"`
	ProtocolVersion string   `json:"protocolVersion"`
	Capabilities    []string `json:"capabilities"`
	Project         struct {
		Path string `json:"path"`
	} `json:"project"`
}

// link is a connection that is made anew when it was lost, unless something was open on it.
type link struct {
	conn   atomic.Pointer[conn]
	server atomic.Pointer[Server]
	closed atomic.Bool
	dial   func(context.Context) (*conn, error) // nil: not again
	// turn is held by who connects anew.
	turn chan struct{}
}

// connection is the one that a transaction was begun on, or else the one that there is, or a new one.
func (l *link) connection(ctx context.Context, of *transaction) (*conn, error) {
	if of != nil {
		return of.conn, of.conn.err()
	}
	conn := l.conn.Load()
	lost := conn.err()
	if lost == nil || l.closed.Load() || l.dial == nil || conn.open.Load() > 0 {
		return conn, lost
	}
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if other := l.conn.Load(); other != conn {
		return other, other.err()
	}
	made, err := l.establish(ctx, l.dial)
	if err != nil {
		return nil, err
	}
	l.conn.Store(made)
	if l.closed.Load() {
		_ = made.close()
	}
	return made, made.err()
}

// greet agrees with the daemon on a version of the protocol. The scope is sent with each call.
func (l *link) greet(ctx context.Context, conn *conn) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	params, err := json.Marshal(map[string]any{
		"client":          map[string]string{"name": "cinch-go", "version": version},
		"protocolVersion": protocolVersion,
	})
	if err != nil {
		return err
	}
	var server Server
	answer, err := conn.call(ctx, conn.lastID.Add(1), "initialize", params, nil)
	if err == nil {
		err = json.Unmarshal(answer, &server)
	}
	if err == nil {
		err = checkVersion(server.ProtocolVersion)
	}
	if err != nil {
		_ = conn.close()
		return err
	}
	l.server.Store(&server)
	return nil
}

func (l *link) close() error {
	l.closed.Store(true)
	return l.conn.Load().close()
}

// called is a call whose result has a type.
func called[T any](ctx context.Context, client *Client, method string, params any, options []CallOption) (*T, error) {
	result := new(T)
	if err := client.Call(ctx, method, params, result, options...); err != nil {
		return nil, err
	}
	return result, nil
}

// unmarshalMore reads what an object has beyond the fields that are known.
func unmarshalMore(data []byte, more *map[string]any, fields ...string) error {
	found, err := decodeValue(data)
	if err != nil {
		return err
	}
	*more, _ = found.(map[string]any)
	for _, field := range fields {
		delete(*more, field)
	}
	return nil
}
