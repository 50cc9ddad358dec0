// Package sqldriver lets database/sql speak with cinch:
//
//	import _ "cinch/sqldriver"
//
//	db, err := sql.Open("cinch", "/path/to/project?tenant=acme")
//
// The data source is the project's folder (empty: as [cinch.Connect] finds it), and after a question mark database,
// branch, tenant, start=false and command. Parameters are by position, or all of them by name ([sql.Named]). A
// [time.Time] is stored as text; scan it into a [cinch.Time]. Results of any size are read through a cursor. There is no
// LastInsertId: RETURNING tells more.
package sqldriver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"strings"

	"cinch"
)

func init() { sql.Register("cinch", Driver{}) }

// Driver is the driver that is registered as "cinch".
type Driver struct{}

// Open opens a connection of its own.
func (d Driver) Open(source string) (driver.Conn, error) {
	connector, err := d.OpenConnector(source)
	if err != nil {
		return nil, err
	}
	return connector.Connect(context.Background())
}

// OpenConnector reads a data source.
func (Driver) OpenConnector(source string) (driver.Connector, error) {
	path, query, _ := strings.Cut(source, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, fmt.Errorf("cinch: the data source: %w", err)
	}
	options := cinch.Options{Project: path}
	for name := range values {
		value := values.Get(name)
		switch name {
		case "database":
			options.Scope.Database = value
		case "branch":
			options.Scope.Branch = value
		case "tenant":
			options.Scope.Tenant = value
		case "command":
			options.Command = strings.Fields(value)
		case "start":
			if value != "true" && value != "false" {
				return nil, fmt.Errorf("cinch: the data source: start is true or false, not %q", value)
			}
			options.NoStart = value == "false"
		default:
			return nil, fmt.Errorf("cinch: the data source: %q is none of database, branch, tenant, start, command", name)
		}
	}
	return NewConnector(options), nil
}

// NewConnector is for [sql.OpenDB].
func NewConnector(options cinch.Options) driver.Connector { return connector{options} }

type connector struct{ options cinch.Options }

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	client, err := cinch.Connect(ctx, c.options)
	if err != nil {
		return nil, err
	}
	return &conn{client: client}, nil
}

func (connector) Driver() driver.Driver { return Driver{} }

// conn is one of the pool's: it has at most one transaction, which all of its statements are in.
type conn struct {
	client *cinch.Client
	tx     *cinch.Tx
}

var (
	_ driver.ConnBeginTx        = (*conn)(nil)
	_ driver.ConnPrepareContext = (*conn)(nil)
	_ driver.ExecerContext      = (*conn)(nil)
	_ driver.NamedValueChecker  = (*conn)(nil)
	_ driver.Pinger             = (*conn)(nil)
	_ driver.QueryerContext     = (*conn)(nil)
)

func (c *conn) place() *cinch.Client {
	if c.tx != nil {
		return c.tx.Client
	}
	return c.client
}

func (c *conn) Ping(ctx context.Context) error { return c.client.Ping(ctx) }

func (c *conn) Close() error { return c.client.Close() }

func (c *conn) Begin() (driver.Tx, error) { return c.BeginTx(context.Background(), driver.TxOptions{}) }

func (c *conn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	switch sql.IsolationLevel(options.Isolation) {
	case sql.LevelDefault, sql.LevelSerializable, sql.LevelSnapshot:
	default:
		return nil, fmt.Errorf("cinch: a transaction is serializable, not %s", sql.IsolationLevel(options.Isolation))
	}
	tx, err := c.client.BeginTx(ctx, cinch.TxOptions{ReadOnly: options.ReadOnly})
	if err != nil {
		return nil, err
	}
	c.tx = tx
	return &transaction{c}, nil
}

type transaction struct{ conn *conn }

func (t *transaction) Commit() error {
	tx := t.conn.tx
	t.conn.tx = nil
	return tx.Commit(context.Background())
}

func (t *transaction) Rollback() error {
	tx := t.conn.tx
	t.conn.tx = nil
	return tx.Rollback(context.Background())
}

func (c *conn) Prepare(query string) (driver.Stmt, error) { return &statement{c, query}, nil }

// PrepareContext only keeps the text: the daemon keeps what it has prepared by itself.
func (c *conn) PrepareContext(_ context.Context, query string) (driver.Stmt, error) {
	return c.Prepare(query)
}

// CheckNamedValue lets pass what a client sends, and refuses what would have to be guessed.
func (c *conn) CheckNamedValue(given *driver.NamedValue) error {
	if unsigned, ok := given.Value.(uint64); ok && unsigned > math.MaxInt64 {
		return fmt.Errorf("%d is beyond 64 bits", unsigned)
	}
	value, err := driver.DefaultParameterConverter.ConvertValue(given.Value)
	given.Value = value
	return err
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	params, err := paramsOf(args)
	if err != nil {
		return nil, err
	}
	done, err := c.place().Exec(ctx, query, params...)
	if err != nil {
		return nil, err
	}
	return result{done.Changes}, nil
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	params, err := paramsOf(args)
	if err != nil {
		return nil, err
	}
	found, err := c.place().Query(ctx, query, params...)
	if err == nil {
		return &rows{columns: found.Columns(), found: found}, nil
	}
	if !isWrite(err) {
		return nil, err
	}
	// It was compiled, found to write, and not run: its rows are those of RETURNING.
	done, err := c.place().Exec(ctx, query, params...)
	if err != nil {
		return nil, err
	}
	if done.Truncated {
		return nil, cinch.ErrTruncated
	}
	return &rows{columns: done.Columns, returned: done.Rows}, nil
}

func isWrite(err error) bool {
	var refusal *cinch.Error
	return errors.As(err, &refusal) && refusal.Kind == cinch.KindSQLRefused && refusal.Data["rule"] == "write"
}

func paramsOf(args []driver.NamedValue) ([]any, error) {
	named := cinch.Named{}
	values := make([]any, len(args))
	for at, arg := range args {
		values[at] = arg.Value
		if arg.Name != "" {
			named[arg.Name] = arg.Value
		}
	}
	switch len(named) {
	case 0:
		return values, nil
	case len(args):
		return []any{named}, nil
	}
	return nil, errors.New("cinch: parameters are all by name, each once, or all by position")
}

type result struct{ changes int64 }

func (r result) RowsAffected() (int64, error) { return r.changes, nil }

func (result) LastInsertId() (int64, error) {
	return 0, errors.New("cinch: there is no LastInsertId; use RETURNING")
}

type statement struct {
	conn  *conn
	query string
}

func (s *statement) Close() error { return nil }

// NumInput: the daemon counts them.
func (s *statement) NumInput() int { return -1 }

func (s *statement) Exec([]driver.Value) (driver.Result, error) { return nil, driver.ErrSkip }

func (s *statement) Query([]driver.Value) (driver.Rows, error) { return nil, driver.ErrSkip }

func (s *statement) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.conn.ExecContext(ctx, s.query, args)
}

func (s *statement) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.conn.QueryContext(ctx, s.query, args)
}

// rows come from a reading, or are those that a write returned.
type rows struct {
	columns  []cinch.ResultColumn
	found    *cinch.Rows
	returned []cinch.Values
}

func (r *rows) Columns() []string {
	names := make([]string, len(r.columns))
	for at, column := range r.columns {
		names[at] = column.Name
	}
	return names
}

// ColumnTypeDatabaseTypeName is the declared type; empty for an expression.
func (r *rows) ColumnTypeDatabaseTypeName(at int) string {
	if r.columns[at].Type == nil {
		return ""
	}
	return strings.ToUpper(*r.columns[at].Type)
}

func (r *rows) Next(into []driver.Value) error {
	var row cinch.Values
	switch {
	case r.found != nil:
		if !r.found.Next() {
			if err := r.found.Err(); err != nil {
				return err
			}
			return io.EOF
		}
		row = r.found.Values()
	case len(r.returned) == 0:
		return io.EOF
	default:
		row = r.returned[0]
		r.returned = r.returned[1:]
	}
	for at, value := range row {
		into[at] = value
	}
	return nil
}

func (r *rows) Close() error {
	if r.found == nil {
		return nil
	}
	return r.found.Close()
}
