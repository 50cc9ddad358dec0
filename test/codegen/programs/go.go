// Uses the code that was generated from the schema of schemas.ts and a table "note", and tells the first thing that is wrong.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"math"
	"os"
	"reflect"
	"strings"
	"time"

	"cinch"
	"cinch/typed"
	"generated/shop"
)

var ctx = context.Background()

func main() {
	log.SetFlags(log.Lshortfile)
	client, err := cinch.Connect(ctx, cinch.Options{NoStart: true})
	must(err)
	defer client.Close()
	db, err := shop.Open(ctx, client)
	must(err)
	for _, part := range []func(*shop.DB){
		rowsAreInsertedReadChangedAndDeleted, whatIsLeftOutIsNotNull, keysOfSeveralColumns, valuesOfEveryKind,
		longTablesAreReadToTheirEnd, views, transactions, tenants, valuesOfAnotherKind, namesThatClash, otherSchemas,
	} {
		part(db)
	}
	fmt.Println("all is well")
}

func rowsAreInsertedReadChangedAndDeleted(db *shop.DB) {
	note, err := db.Note.Insert(ctx, shop.NoteInsert{Text: "hello", Weight: cinch.Some(2.0)})
	must(err)
	equal(note.Text, "hello")
	equal(*note.Weight, 2.0)
	if time.Since(note.CreatedAt) > time.Hour || note.UpdatedAt.Before(note.CreatedAt) {
		log.Panic(note)
	}
	got, err := db.Note.Get(ctx, note.ID)
	must(err)
	equal(got, note)

	changed, err := db.Note.Update(ctx, note.ID, shop.NoteUpdate{Text: cinch.Ptr("hi")})
	must(err)
	equal(changed.Text, "hi")
	equal(*changed.Weight, 2.0)
	changed, err = db.Note.Update(ctx, note.ID, shop.NoteUpdate{Weight: cinch.Null[float64]()})
	must(err)
	equal(changed.Text, "hi")
	equal(changed.Weight, (*float64)(nil))

	more, err := db.Note.InsertAll(ctx, []shop.NoteInsert{{Text: "b"}, {Text: "a"}})
	must(err)
	equal(len(more), 2)
	found, err := db.Note.List(ctx, typed.Select{
		Where: cinch.Where{"text": cinch.Where{"lt": "c"}}, OrderBy: []string{"text"}, Limit: 1, Offset: 1,
	})
	must(err)
	equal(found, more[:1])
	count, err := db.Note.Count(ctx, cinch.Where{"created_at": cinch.Where{"lte": time.Now()}})
	must(err)
	equal(count, int64(3))

	must(db.Note.Delete(ctx, note.ID, more[0].ID))
	is(db.Note.Delete(ctx, note.ID), cinch.ErrNotFound)
	_, err = db.Note.Get(ctx, note.ID)
	is(err, cinch.ErrNotFound)
	is(err, cinch.KindRowNotFound)
	_, err = db.Note.Update(ctx, note.ID, shop.NoteUpdate{Text: cinch.Ptr("hi")})
	is(err, cinch.ErrNotFound)
	none, err := db.Note.InsertAll(ctx, nil)
	must(err)
	equal(len(none), 0)
	must(db.Note.Delete(ctx))
	_, err = db.Note.InsertAll(ctx, []shop.NoteInsert{{Text: "c"}, {ID: &more[1].ID, Text: "twice"}})
	is(err, cinch.ErrConstraint)
	count, err = db.Note.Count(ctx, nil)
	must(err)
	equal(count, int64(1))
}

func whatIsLeftOutIsNotNull(db *shop.DB) {
	left, err := db.Class.Insert(ctx, shop.ClassInsert{Type: "left out"})
	must(err)
	equal(*left.Select, int64(7))
	null, err := db.Class.Insert(ctx, shop.ClassInsert{Type: "null", Select: cinch.Null[int64]()})
	must(err)
	equal(null.Select, (*int64)(nil))
	null, err = db.Class.Update(ctx, null.ID, shop.ClassUpdate{Type: cinch.Ptr("still null")})
	must(err)
	equal(null.Select, (*int64)(nil))

	set, err := db.Defaults.Insert(ctx, shop.DefaultsInsert{ID: "a", Flag: cinch.Ptr(false)})
	must(err)
	equal(set.Price, 1.5)
	equal(set.Label, `it's */ """ \`)
	equal(set.Flag, false)
}

func keysOfSeveralColumns(db *shop.DB) {
	lines, err := db.OrderLine.InsertAll(ctx, []shop.OrderLineInsert{
		{Order: 1, Line: 1}, {Order: 1, Line: 2, Note: cinch.Some("n")},
	})
	must(err)
	key := shop.OrderLineKey{Order: 1, Line: 2}
	line, err := db.OrderLine.Get(ctx, key)
	must(err)
	equal(*line, lines[1])
	line, err = db.OrderLine.Update(ctx, key, shop.OrderLineUpdate{Note: cinch.Some("m")})
	must(err)
	equal(*line.Note, "m")
	must(db.OrderLine.Delete(ctx, key))
	_, err = db.OrderLine.Get(ctx, key)
	is(err, cinch.ErrNotFound)
}

func valuesOfEveryKind(db *shop.DB) {
	for _, value := range []any{nil, int64(math.MinInt64), 0.1, math.Inf(-1), "ä\u2028😀", []byte{0, 255}} {
		row := shop.StrictTypesInsert{
			I: math.MaxInt64, R: 2, T: "{\"$int\": \"1\"}", B: []byte{}, A: cinch.Some(value),
		}
		stored, err := db.StrictTypes.Insert(ctx, row)
		must(err)
		equal(*stored, shop.StrictTypes{I: row.I, R: row.R, T: row.T, B: row.B, A: value})
	}
	_, err := db.StrictTypes.Insert(ctx, shop.StrictTypesInsert{R: math.NaN(), B: []byte{}})
	tells(err, "NaN")
	_, err = db.StrictTypes.Insert(ctx, shop.StrictTypesInsert{T: "no blob"})
	is(err, cinch.ErrConstraint)

	computed, err := db.Computed.Insert(ctx, shop.ComputedInsert{A: cinch.Some(int64(21))})
	must(err)
	equal(*computed.B, int64(42))
	equal(*computed.C, "x21")

	class, err := db.Class.Insert(ctx, shop.ClassInsert{
		ID: cinch.Ptr(int64(1) << 60), Type: "whole", Func: cinch.Some(1e17), Match: cinch.Some([]byte("\xff")), Self: cinch.Ptr(true),
	})
	must(err)
	got, err := db.Class.Get(ctx, 1<<60)
	must(err)
	equal(got, class)
	equal(*got.Func, 1e17)
	if !bytes.Equal(got.Match, []byte("\xff")) || !got.Self {
		log.Panic(got)
	}
}

func longTablesAreReadToTheirEnd(db *shop.DB) {
	rows := make([]shop.OrderLine2Insert, 2_500)
	for at := range rows {
		rows[at].OrderLine3 = cinch.Some(int64(at))
	}
	_, err := db.OrderLine2.InsertAll(ctx, rows)
	must(err)
	var sum int64
	for row, err := range db.OrderLine2.All(ctx, typed.Select{Offset: 10}) {
		must(err)
		sum += *row.OrderLine3
	}
	equal(sum, int64(2_499*2_500/2-45))
	for _, limit := range []int64{1, 1_000, 1_001, 2_500, 9_999} {
		found, err := db.OrderLine2.List(ctx, typed.Select{Limit: limit, OrderBy: []string{"-order-line"}})
		must(err)
		equal(int64(len(found)), min(limit, 2_500))
	}
	for _, err := range db.OrderLine2.All(ctx, typed.Select{Where: cinch.Where{"nowhere": 1}}) {
		is(err, cinch.KindColumnNotFound)
	}
	cancelled, cancel := context.WithCancel(ctx)
	defer cancel()
	seen := 0
	for _, err = range db.OrderLine2.All(cancelled, typed.Select{}) {
		seen++
		cancel()
	}
	is(err, context.Canceled)
	equal(seen, 1_001)
}

func views(db *shop.DB) {
	classes, err := db.Class.Count(ctx, nil)
	must(err)
	count, err := db.ClassView.Count(ctx)
	must(err)
	equal(count, classes)
	all, err := db.ClassView.List(ctx)
	must(err)
	equal(int64(len(all)), classes)
	equal(*all[0].Type, "first")
	equal(all[0].Count, any(int64(1)))
	for _, err := range db.ClassView.All(ctx) {
		must(err)
		break
	}
}

func transactions(db *shop.DB) {
	stop := errors.New("stop")
	insert := func(end error) error {
		return db.Transact(ctx, func(tx *shop.DB) error {
			note, err := tx.Note.Insert(ctx, shop.NoteInsert{Text: "in a transaction"})
			must(err)
			_, err = tx.Note.Get(ctx, note.ID)
			must(err)
			_, err = db.Note.Get(ctx, note.ID)
			is(err, cinch.ErrNotFound)
			return end
		})
	}
	before, err := db.Note.Count(ctx, nil)
	must(err)
	is(insert(stop), stop)
	must(insert(nil))
	after, err := db.Note.Count(ctx, nil)
	must(err)
	equal(after, before+1)

	tx, err := db.Client().Begin(ctx)
	must(err)
	defer tx.Close()
	inside, err := db.In(tx).Note.List(ctx, typed.Select{})
	must(err)
	equal(int64(len(inside)), after)
}

func tenants(db *shop.DB) {
	_, err := db.Client().Tenant.Create(ctx, cinch.TenantCreateParams{Name: "acme"})
	must(err)
	acme := db.Tenant("acme")
	_, err = acme.Note.Insert(ctx, shop.NoteInsert{Text: "of acme"})
	must(err)
	notes, err := acme.Note.List(ctx, typed.Select{})
	must(err)
	equal(len(notes), 1)
}

func valuesOfAnotherKind(db *shop.DB) {
	_, err := db.Client().Exec(ctx, `insert into "2nd" ("1st", "größe") values (77, 'large')`)
	must(err)
	_, err = db.N2nd.Get(ctx, 77)
	tells(err, "2nd, column größe: a text")
	_, err = db.N2nd.List(ctx, typed.Select{})
	tells(err, "2nd, column größe: a text")
}

func namesThatClash(db *shop.DB) {
	list, err := db.List.Insert(ctx, shop.ListInsert{Get: "a", String: cinch.Some("s"), Count: cinch.Some(int64(1))})
	must(err)
	equal(list, &shop.List{Get: "a", String: cinch.Ptr("s"), Count: cinch.Ptr(int64(1))})
	second, err := db.N2nd.Get(ctx, 1)
	must(err)
	equal(second, &shop.N2nd{N1st: 1, Größe: 1.5, N漢字: cinch.Ptr("x"), Class: cinch.Ptr(int64(1))})
}

func otherSchemas(db *shop.DB) {
	client := db.Client()
	_, err := client.Table.Create(ctx, cinch.TableCreateParams{Name: "later", Columns: []cinch.ColumnSpec{}})
	must(err)
	_, err = shop.Open(ctx, client)
	must(err)
	_, err = client.Branch.Create(ctx, cinch.BranchCreateParams{Name: "other"})
	must(err)
	other := client.Scope(cinch.Scope{Branch: "other"})
	_, err = other.Column.Add(ctx, cinch.ColumnAddParams{Table: "note", Column: cinch.ColumnSpec{Name: "more", Type: "TEXT"}})
	must(err)
	_, err = shop.Open(ctx, other)
	var differs *typed.SchemaError
	if !errors.As(err, &differs) || differs.Found == "" || differs.Found == differs.Expected {
		log.Panic(err)
	}
	tells(err, "schema differs", differs.Expected, differs.Found, "run cinch codegen generate go")
	_, err = other.View.Drop(ctx, cinch.ViewDropParams{Name: "class view"})
	must(err)
	_, err = shop.Open(ctx, other)
	tells(err, "schema differs", "class view")
	is(err, cinch.KindViewNotFound)
	_, err = shop.Open(ctx, client.Scope(cinch.Scope{Branch: "nowhere"}))
	is(err, cinch.KindBranchNotFound)
}

func must(err error) {
	if err != nil {
		fail(err)
	}
}

func is(err, target error) {
	if !errors.Is(err, target) {
		fail(fmt.Sprintf("%v is not %v", err, target))
	}
}

func tells(err error, parts ...string) {
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			fail(fmt.Sprintf("%v does not tell %q", err, part))
		}
	}
}

func equal(found, wanted any) {
	if !reflect.DeepEqual(found, wanted) {
		fail(fmt.Sprintf("%#v was found, %#v was wanted", found, wanted))
	}
}

func fail(what any) {
	_ = log.Output(3, fmt.Sprint(what))
	os.Exit(1)
}
