package cinch

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"math"
	"reflect"
	"time"
)

// A result of up to firstRows comes with one call; a longer one is read through a cursor.
const (
	firstRows = 1_000
	fetchRows = 5_000
)

// ResultColumn is a column of a result.
type ResultColumn struct {
	Name string `json:"name"`
	// Type is the declared one; nil for an expression.
	Type *string `json:"type"`
}

// Result is what a statement did.
type Result struct {
	// Changes are the rows inserted, updated or deleted.
	Changes int64 `json:"changes"`
	// Columns and Rows are those of RETURNING.
	Columns []ResultColumn `json:"columns"`
	Rows    []Values       `json:"rows"`
	// Truncated: RETURNING gave more rows than the daemon's limit lets through.
	Truncated bool `json:"truncated"`
}

// Statement is one of a batch.
type Statement struct {
	SQL string
	// Params are by position, or one [Named].
	Params []any
}

// Query runs one statement that reads. Params are by position, or one [Named].
func (c *Client) Query(ctx context.Context, sql string, params ...any) (*Rows, error) {
	conn, err := c.link.connection(ctx, c.transaction)
	if err != nil {
		return nil, err
	}
	asked := map[string]any{"sql": sql, "params": paramsOf(params)}
	// In a transaction there are no cursors: what one call can hold has to do.
	if c.transaction == nil {
		asked["maxRows"] = firstRows
	}
	var first Result
	if err := c.callOn(ctx, conn, "query.run", asked, &first); err != nil {
		return nil, err
	}
	first.mendReals()
	rows := &Rows{ctx: ctx, client: c, conn: conn, columns: first.Columns, rows: first.Rows, at: -1, isDone: true}
	if !first.Truncated {
		return rows, nil
	}
	if c.transaction != nil {
		rows.cut = ErrTruncated
		return rows, nil
	}
	// The cursor begins anew, so that all rows are of one state of the file.
	delete(asked, "maxRows")
	var opened struct {
		Cursor  string         `json:"cursor"`
		Columns []ResultColumn `json:"columns"`
	}
	if err := c.callOn(ctx, conn, "query.open", asked, &opened); err != nil {
		return nil, err
	}
	conn.open.Add(1)
	rows.cursor, rows.columns, rows.rows, rows.isDone = opened.Cursor, opened.Columns, nil, false
	return rows, nil
}

// Exec runs one statement that inserts, updates or deletes.
func (c *Client) Exec(ctx context.Context, sql string, params ...any) (*Result, error) {
	var result Result
	asked := map[string]any{"sql": sql, "params": paramsOf(params)}
	if err := c.Call(ctx, "query.execute", asked, &result); err != nil {
		return nil, err
	}
	result.mendReals()
	return &result, nil
}

// Batch runs statements in one transaction: all of them or none.
func (c *Client) Batch(ctx context.Context, statements ...Statement) ([]Result, error) {
	sent := make([]map[string]any, len(statements))
	for at, each := range statements {
		sent[at] = map[string]any{"sql": each.SQL, "params": paramsOf(each.Params)}
	}
	var answer struct {
		Results []Result `json:"results"`
	}
	if err := c.Call(ctx, "query.batch", map[string]any{"statements": sent}, &answer); err != nil {
		return nil, err
	}
	for at := range answer.Results {
		answer.Results[at].mendReals()
	}
	return answer.Results, nil
}

func paramsOf(params []any) any {
	if len(params) == 1 {
		if named, ok := params[0].(Named); ok {
			return map[string]any(named)
		}
	}
	if params == nil {
		return []any{}
	}
	return params
}

func (r *Result) mendReals() { mendReals(r.Columns, r.Rows) }

// mendReals: JSON does not tell 2.0 from 2, but a column declared REAL holds no integers.
func mendReals(columns []ResultColumn, rows []Values) {
	for at, column := range columns {
		if column.Type == nil || !isReal(*column.Type) {
			continue
		}
		for _, row := range rows {
			if whole, ok := row[at].(int64); ok {
				row[at] = float64(whole)
			}
		}
	}
}

// Rows are the rows of a result, however many: they come as they are read. Not for several goroutines at a time. They
// are read to their end, or closed.
type Rows struct {
	ctx     context.Context
	client  *Client
	conn    *conn
	cursor  string // empty: all rows are here
	columns []ResultColumn
	rows    []Values
	at      int
	isDone  bool
	err     error
	cut     error // told after the last row
}

// Columns are the columns of the result; names may repeat.
func (r *Rows) Columns() []ResultColumn { return r.columns }

// Next goes to the next row, and tells whether there is one. Err tells why there is none.
func (r *Rows) Next() bool {
	for r.at++; r.at >= len(r.rows); r.at = 0 {
		if r.err != nil {
			return false
		}
		if r.isDone {
			r.err = r.cut
			r.rows = nil
			return false
		}
		r.fetch()
		if r.err != nil {
			_ = r.Close()
			return false
		}
	}
	return true
}

func (r *Rows) fetch() {
	var got struct {
		Rows []Values `json:"rows"`
		Done bool     `json:"done"`
	}
	r.rows = nil
	asked := map[string]any{"cursor": r.cursor, "count": fetchRows}
	if r.err = r.client.callOn(r.ctx, r.conn, "query.fetch", asked, &got); r.err != nil {
		return
	}
	mendReals(r.columns, got.Rows)
	r.rows = got.Rows
	if got.Done {
		r.end()
	}
}

func (r *Rows) end() {
	if r.isDone {
		return
	}
	r.isDone = true
	r.conn.open.Add(-1)
}

// Values are the values of the row that Next went to.
func (r *Rows) Values() Values { return r.rows[r.at] }

// Scan puts the values of the row that Next went to where they are wanted: pointers to nil-able or fitting types, or a
// [sql.Scanner]. A value of another kind is an error.
func (r *Rows) Scan(into ...any) error {
	row := r.Values()
	if len(into) != len(row) {
		return fmt.Errorf("cinch: %d columns, and %d places for them", len(row), len(into))
	}
	for at, place := range into {
		if err := Assign(place, row[at]); err != nil {
			return fmt.Errorf("cinch: column %s: %w", r.columns[at].Name, err)
		}
	}
	return nil
}

// Err is why there were no more rows; nil where there were none.
func (r *Rows) Err() error { return r.err }

// Close ends the reading. Rows that were read to their end need none.
func (r *Rows) Close() error {
	r.rows = nil
	if r.isDone {
		return nil
	}
	r.end()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), stopPatience)
	defer cancel()
	err := r.client.callOn(ctx, r.conn, "query.close", map[string]any{"cursor": r.cursor}, nil)
	if errors.Is(err, ErrConnectionLost) {
		return nil
	}
	return err
}

// All ranges over the rows; an error comes last. It closes them.
func (r *Rows) All() iter.Seq2[Values, error] {
	return func(yield func(Values, error) bool) {
		defer func() { _ = r.Close() }()
		for r.Next() {
			if !yield(r.Values(), nil) {
				return
			}
		}
		if r.err != nil {
			yield(nil, r.err)
		}
	}
}

// Assign puts a value of SQLite where a pointer leads, if it is of the same kind: nothing is guessed, and no number
// loses anything. NULL goes to *any, *[]byte and pointers to pointers.
func Assign(place, value any) error {
	switch place := place.(type) {
	case sql.Scanner:
		return place.Scan(value)
	case *any:
		*place = value
		return nil
	case *time.Time:
		var read Time
		if err := read.Scan(value); err != nil {
			return err
		}
		*place = read.Time
		return nil
	case *[]byte:
		blob, ok := value.([]byte)
		if !ok && value != nil {
			return fmt.Errorf("%s where a blob was wanted", kindOf(value))
		}
		*place = blob
		return nil
	}
	target := reflect.ValueOf(place)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return fmt.Errorf("a pointer is needed, not %T", place)
	}
	return assignReflected(target.Elem(), value)
}

func assignReflected(target reflect.Value, value any) error {
	if target.Kind() == reflect.Pointer {
		if value == nil {
			target.SetZero()
			return nil
		}
		made := reflect.New(target.Type().Elem())
		if err := Assign(made.Interface(), value); err != nil {
			return err
		}
		target.Set(made)
		return nil
	}
	switch value := value.(type) {
	case bool:
		if target.Kind() == reflect.Bool {
			target.SetBool(value)
			return nil
		}
	case string:
		if target.Kind() == reflect.String {
			target.SetString(value)
			return nil
		}
	case float64:
		if target.Kind() == reflect.Float64 {
			target.SetFloat(value)
			return nil
		}
	case int64:
		switch {
		case target.CanInt() && !target.OverflowInt(value):
			target.SetInt(value)
			return nil
		case target.CanUint() && value >= 0 && !target.OverflowUint(uint64(value)):
			target.SetUint(uint64(value))
			return nil
		// A whole REAL of an expression comes as an integer.
		case target.Kind() == reflect.Float64 && math.Abs(float64(value)) <= maxExact:
			target.SetFloat(float64(value))
			return nil
		}
	}
	return fmt.Errorf("%s does not go into %s", kindOf(value), target.Type())
}

// kindOf names a value's kind as SQLite does.
func kindOf(value any) string {
	switch value.(type) {
	case nil:
		return "NULL"
	case bool:
		return "a boolean"
	case int64:
		return "an integer"
	case float64:
		return "a real"
	case string:
		return "a text"
	case []byte:
		return "a blob"
	}
	return fmt.Sprintf("%T", value)
}
