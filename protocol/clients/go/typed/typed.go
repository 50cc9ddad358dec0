// Package typed is what the Go code stands on that `cinch codegen generate go` writes: tables and views whose rows are
// structs.
//
// A field of such a struct names its column in a tag:
//
//	type Album struct {
//		AlbumID int64   `cinch:"AlbumId"`
//		Note    *string `cinch:"Note"` // a column that may be null
//	}
//
// In what is inserted or changed, a field that is nil, or a zero [cinch.Nullable], leaves its column out.
package typed

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"

	"cinch"
)

// Schema is what code was generated from.
type Schema struct {
	Hash   string
	Tables []string
	Views  []string
}

// Check fails with a [*SchemaError] where the branch's tables and views of these names are not what they were.
func (s Schema) Check(ctx context.Context, client *cinch.Client) error {
	found, err := client.Codegen.Hash(ctx, cinch.CodegenHashParams{Tables: s.Tables, Views: s.Views})
	switch {
	case errors.Is(err, cinch.KindTableNotFound), errors.Is(err, cinch.KindViewNotFound):
		return &SchemaError{Expected: s.Hash, Missing: err}
	case err != nil:
		return err
	case found.Hash != s.Hash:
		return &SchemaError{Expected: s.Hash, Found: found.Hash}
	}
	return nil
}

// SchemaError tells that a branch's schema is not the one that code was generated from.
type SchemaError struct {
	Expected string
	// Found is empty where a table or view is not there at all.
	Found string
	// Missing tells which.
	Missing error
}

func (e *SchemaError) Error() string {
	found := e.Found
	if e.Missing != nil {
		found = e.Missing.Error()
	}
	return fmt.Sprintf("cinch: schema differs: expected %s, found %s; run cinch codegen generate go", e.Expected, found)
}

func (e *SchemaError) Unwrap() error { return e.Missing }

// Select says which rows of a table, and in which order. The zero value is all of them, by their primary key.
type Select struct {
	Where cinch.Where
	// OrderBy are names of columns; a leading - sorts from the greatest to the smallest.
	OrderBy []string
	// Limit is how many; zero: all.
	Limit int64
	// Offset is how many are left out first.
	Offset int64
}

// pageRows is how many rows come with one call.
const pageRows = 1_000

// View is a view, whose rows are R.
type View[R any] struct {
	client *cinch.Client
	name   string
	quoted string
}

// NewView is the view of that name, which is quoted as it stands in SQL.
func NewView[R any](client *cinch.Client, name, quoted string) View[R] {
	return View[R]{client, name, quoted}
}

// All ranges over the rows as they are read; an error comes last.
func (v View[R]) All(ctx context.Context) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		var none R
		rows, err := v.client.Query(ctx, "select * from "+v.quoted)
		if err != nil {
			yield(none, err)
			return
		}
		columns := rows.Columns()
		for values, err := range rows.All() {
			if err != nil {
				yield(none, err)
				return
			}
			row := make(cinch.Row, len(values))
			for at, column := range columns {
				row[column.Name] = values[at]
			}
			found, err := read[R](v.name, row)
			if !yield(found, err) || err != nil {
				return
			}
		}
	}
}

// List gets the rows.
func (v View[R]) List(ctx context.Context) ([]R, error) { return collect(v.All(ctx)) }

// Count counts the rows.
func (v View[R]) Count(ctx context.Context) (int64, error) {
	rows, err := v.client.Query(ctx, "select count(*) from "+v.quoted)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var count int64
	if rows.Next() {
		err = rows.Scan(&count)
	}
	return count, errors.Join(err, rows.Err())
}

// Table is a table, whose rows are R and are inserted as I.
type Table[R, I any] struct {
	client *cinch.Client
	name   string
}

// NewTable is the table of that name.
func NewTable[R, I any](client *cinch.Client, name string) Table[R, I] {
	return Table[R, I]{client, name}
}

// All ranges over rows as they are read, page by page; an error comes last. What others insert or delete meanwhile may be
// seen, but no row comes twice; in a transaction all rows are of one state.
func (t Table[R, I]) All(ctx context.Context, which Select) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		var none R
		params := cinch.RowListParams{
			Table: t.name, Where: which.Where, OrderBy: which.OrderBy, Offset: which.Offset, Limit: pageRows,
		}
		for left := which.Limit; ; {
			if which.Limit != 0 {
				params.Limit = min(left, pageRows)
			}
			page, err := t.client.Row.List(ctx, params)
			if err != nil {
				yield(none, err)
				return
			}
			for _, row := range page.Rows {
				found, err := read[R](t.name, row)
				if !yield(found, err) || err != nil {
					return
				}
			}
			left -= int64(len(page.Rows))
			if page.NextCursor == "" || which.Limit != 0 && left == 0 {
				return
			}
			params.Cursor, params.Offset = page.NextCursor, 0
		}
	}
}

// List gets rows. Zero [Select]: all of them; where that may be many, range over All.
func (t Table[R, I]) List(ctx context.Context, which Select) ([]R, error) {
	return collect(t.All(ctx, which))
}

// Count counts the rows that meet a condition; nil: all.
func (t Table[R, I]) Count(ctx context.Context, where cinch.Where) (int64, error) {
	counted, err := t.client.Row.Count(ctx, cinch.RowCountParams{Table: t.name, Where: where})
	if err != nil {
		return 0, err
	}
	return counted.Count, nil
}

// Insert inserts a row, and gives it back as it is stored.
func (t Table[R, I]) Insert(ctx context.Context, row I) (*R, error) {
	stored, err := t.InsertAll(ctx, []I{row})
	if err != nil {
		return nil, err
	}
	return &stored[0], nil
}

// InsertAll inserts rows, all or none, and gives them back as they are stored.
func (t Table[R, I]) InsertAll(ctx context.Context, rows []I) ([]R, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	sent := make([]cinch.Row, len(rows))
	for at, row := range rows {
		sent[at] = given(row)
	}
	stored, err := t.client.Row.Insert(ctx, cinch.RowInsertParams{Table: t.name, Rows: sent})
	if err != nil {
		return nil, err
	}
	return t.readAll(stored.Rows, len(rows))
}

func (t Table[R, I]) readAll(stored []cinch.Row, wanted int) ([]R, error) {
	if len(stored) != wanted {
		return nil, fmt.Errorf("cinch: table %s: %d rows came back of %d", t.name, len(stored), wanted)
	}
	all := make([]R, len(stored))
	for at, row := range stored {
		var err error
		if all[at], err = read[R](t.name, row); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// KeyedTable is a table with a primary key. K is the key: the value of its column, or a struct where it has several.
type KeyedTable[R, I, K any] struct {
	Table[R, I]
	key []string
}

// NewKeyedTable is the table of that name, with the columns of its primary key.
func NewKeyedTable[R, I, K any](client *cinch.Client, name string, key ...string) KeyedTable[R, I, K] {
	return KeyedTable[R, I, K]{NewTable[R, I](client, name), key}
}

// Get gets the row with this key. Where there is none, the error is [cinch.ErrNotFound].
func (t KeyedTable[R, I, K]) Get(ctx context.Context, key K) (*R, error) {
	id := t.id(key)
	found, err := t.client.Row.Get(ctx, cinch.RowGetParams{Table: t.name, ID: id})
	if err != nil {
		return nil, err
	}
	if found.Row == nil {
		return nil, &cinch.Error{
			Code: 1303, Kind: cinch.KindRowNotFound, Message: "No such row", Data: map[string]any{"table": t.name, "id": id},
		}
	}
	row, err := read[R](t.name, found.Row)
	if err != nil {
		return nil, err
	}
	return &row, nil
}

// Delete deletes the rows with these keys, all or none. Where there is none of a key, the error is [cinch.ErrNotFound].
func (t KeyedTable[R, I, K]) Delete(ctx context.Context, keys ...K) error {
	if len(keys) == 0 {
		return nil
	}
	ids := make(cinch.Values, len(keys))
	for at, key := range keys {
		ids[at] = t.id(key)
	}
	_, err := t.client.Row.Delete(ctx, cinch.RowDeleteParams{Table: t.name, IDs: ids})
	return err
}

// id is the key as row.get takes it.
func (t KeyedTable[R, I, K]) id(key K) any {
	if len(t.key) == 1 {
		return key
	}
	return given(key)
}

// UpdatableTable is a table with a primary key and other columns, which are changed by what U says.
type UpdatableTable[R, I, K, U any] struct {
	KeyedTable[R, I, K]
}

// NewUpdatableTable is the table of that name, with the columns of its primary key.
func NewUpdatableTable[R, I, K, U any](client *cinch.Client, name string, key ...string) UpdatableTable[R, I, K, U] {
	return UpdatableTable[R, I, K, U]{NewKeyedTable[R, I, K](client, name, key...)}
}

// Update changes the row with this key, and gives it back as it is stored. Where there is none, the error is
// [cinch.ErrNotFound].
func (t UpdatableTable[R, I, K, U]) Update(ctx context.Context, key K, change U) (*R, error) {
	row := given(change)
	if len(t.key) == 1 {
		row[t.key[0]] = key
	} else {
		maps.Copy(row, given(key))
	}
	updated, err := t.client.Row.Update(ctx, cinch.RowUpdateParams{Table: t.name, Rows: []cinch.Row{row}})
	if err != nil {
		return nil, err
	}
	stored, err := t.readAll(updated.Rows, 1)
	if err != nil {
		return nil, err
	}
	return &stored[0], nil
}

func collect[R any](rows iter.Seq2[R, error]) ([]R, error) {
	var all []R
	for row, err := range rows {
		if err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return all, nil
}
