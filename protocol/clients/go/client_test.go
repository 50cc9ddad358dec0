package cinch_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"cinch"
)

// newProject makes a project whose daemon, once there is one, is stopped at the end.
func newProject(t *testing.T) string {
	t.Helper()
	command := os.Getenv("CINCHD")
	if command == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("no daemon to test against: set CINCHD")
		}
		t.Skip("no daemon to test against: set CINCHD")
	}
	words := strings.Fields(strings.ReplaceAll(command, `"`, ""))
	engine := filepath.Join(filepath.Dir(words[len(words)-1]), "engine", "engine.js")
	folder, err := os.MkdirTemp("", "cinch-")
	must(t, err)
	script := fmt.Sprintf("import(%q).then(engine => engine.createProject(%q))", "file://"+engine, folder)
	if output, err := exec.Command("node", "-e", script).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	t.Cleanup(func() {
		stopDaemon(folder)
		must(t, os.RemoveAll(folder))
	})
	return folder
}

func stopDaemon(folder string) {
	db, err := cinch.Connect(context.Background(), cinch.Options{Project: folder, NoStart: true})
	if err != nil {
		return
	}
	defer db.Close()
	if info, err := db.Project.Info(context.Background()); err == nil {
		if process, err := os.FindProcess(int(info.PID)); err == nil {
			_ = process.Kill()
		}
	}
}

func connect(t *testing.T) *cinch.Client {
	t.Helper()
	db, err := cinch.Connect(t.Context(), cinch.Options{Project: newProject(t)})
	must(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mustBe(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("%v is not %v", err, target)
	}
}

func equal(t *testing.T, found, wanted any) {
	t.Helper()
	if !reflect.DeepEqual(found, wanted) {
		t.Fatalf("%#v was found, %#v was wanted", found, wanted)
	}
}

func createTable(t *testing.T, db *cinch.Client, columns ...cinch.ColumnSpec) {
	t.Helper()
	_, err := db.Table.Create(t.Context(), cinch.TableCreateParams{
		Name: "t", Columns: columns, SystemColumns: cinch.Ptr(false),
	})
	must(t, err)
}

func only(t *testing.T, db *cinch.Client, sql string, params ...any) cinch.Values {
	t.Helper()
	rows, err := db.Query(t.Context(), sql, params...)
	must(t, err)
	var found []cinch.Values
	for row, err := range rows.All() {
		must(t, err)
		found = append(found, row)
	}
	if len(found) != 1 {
		t.Fatalf("%d rows", len(found))
	}
	return found[0]
}

func TestEveryValueArrivesAndComesBackAsItIs(t *testing.T) {
	db := connect(t)
	createTable(t, db, cinch.ColumnSpec{Name: "r", Type: "REAL"}, cinch.ColumnSpec{Name: "f", Type: "BOOLEAN"})
	for _, each := range []struct {
		value any
		kind  string
	}{
		{nil, "null"}, {int64(0), "integer"}, {int64(1 << 53), "integer"}, {int64(math.MaxInt64), "integer"},
		{int64(math.MinInt64), "integer"}, {0.1, "real"}, {5e-324, "real"}, {math.MaxFloat64, "real"}, {1e17, "real"},
		{math.Inf(1), "real"}, {math.Inf(-1), "real"}, {"", "text"}, {"ä€😀\u2028\x00\n\"\\<", "text"},
		{`{"$int": "1"}`, "text"}, {[]byte{}, "blob"}, {[]byte{0, 255, 10}, "blob"},
	} {
		equal(t, only(t, db, "select ?, typeof(?)", each.value, each.value), cinch.Values{each.value, each.kind})
		equal(t, only(t, db, "select :a", cinch.Named{"a": each.value}), cinch.Values{each.value})
	}
	equal(t, only(t, db, "select typeof(?), typeof(?), typeof(?)", 2.0, uint8(3), (*int)(nil)),
		cinch.Values{"real", "integer", "null"})
	_, err := db.Row.Insert(t.Context(), cinch.RowInsertParams{Table: "t", Rows: []cinch.Row{{"r": 2.0, "f": true}}})
	must(t, err)
	equal(t, only(t, db, "select r, f, typeof(r) from t"), cinch.Values{2.0, true, "real"})
	for _, refused := range []any{math.NaN(), "\xff", uint64(math.MaxUint64), new(big.Int).Lsh(big.NewInt(1), 63), struct{}{}, make(chan int)} {
		if _, err := db.Query(t.Context(), "select ?", refused); err == nil {
			t.Fatalf("%v was sent", refused)
		}
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.FixedZone("", 3600))
	whole := big.NewInt(math.MinInt64)
	equal(t, only(t, db, "select ?, ?, ?", at, &at, whole),
		cinch.Values{"2026-01-02T02:04:05.678Z", "2026-01-02T02:04:05.678Z", int64(math.MinInt64)})
	equal(t, only(t, db, "select ?, ?, ?", cinch.Some(int64(math.MaxInt64)), cinch.Some([]byte{1}), cinch.Null[string]()),
		cinch.Values{int64(math.MaxInt64), []byte{1}, nil})
}

func TestAValueOfAnotherKindIsNotScanned(t *testing.T) {
	db := connect(t)
	rows, err := db.Query(t.Context(), "select 1, 'a', null, 1.5")
	must(t, err)
	if !rows.Next() {
		t.Fatal(rows.Err())
	}
	var whole int8
	var text string
	var none *string
	var real float64
	must(t, rows.Scan(&whole, &text, &none, &real))
	equal(t, []any{whole, text, none, real}, []any{int8(1), "a", (*string)(nil), 1.5})
	for _, places := range [][]any{{&text, &text, &none, &real}, {&whole, &text, &text, &real}, {&whole, &text, &none, &whole}, {&whole}} {
		if rows.Scan(places...) == nil {
			t.Fatalf("%T", places[0])
		}
	}
}

func TestARefusalIsOfItsKindAndFamily(t *testing.T) {
	db := connect(t)
	_, err := db.Table.Get(t.Context(), cinch.TableGetParams{Name: "nowhere"})
	mustBe(t, err, cinch.KindTableNotFound)
	mustBe(t, err, cinch.ErrNotFound)
	var refusal *cinch.Error
	if !errors.As(err, &refusal) || refusal.Code != 1200 || refusal.Data["table"] != "nowhere" {
		t.Fatalf("%#v", refusal)
	}
	if errors.Is(err, cinch.ErrExists) || errors.Is(err, cinch.KindViewNotFound) {
		t.Fatal("it is everything")
	}
	mustBe(t, db.Call(t.Context(), "no.such", nil, nil), cinch.KindMethodNotFound)
}

func TestScopesGoTheirOwnWays(t *testing.T) {
	db := connect(t)
	createTable(t, db, cinch.ColumnSpec{Name: "a", Type: "INTEGER"})
	_, err := db.Tenant.Create(t.Context(), cinch.TenantCreateParams{Name: "acme"})
	must(t, err)
	acme := db.Scope(cinch.Scope{Tenant: "acme"})
	_, err = acme.Exec(t.Context(), "insert into t values (1), (2)")
	must(t, err)
	equal(t, only(t, acme, "select count(*) from t"), cinch.Values{int64(2)})
	equal(t, only(t, db, "select count(*) from t"), cinch.Values{int64(0)})
	told, err := acme.Tenant.Get(t.Context(), cinch.TenantGetParams{})
	must(t, err)
	equal(t, told.Name, "acme")
}

func TestALongResultIsReadToItsEndAndHasOneState(t *testing.T) {
	db := connect(t)
	sql := "with recursive n(a) as (select 1 union all select a + 1 from n where a < ?) select a, a / 2.0 as b from n"
	for _, count := range []int64{0, 1, 1_000, 1_001, 12_345} {
		rows, err := db.Query(t.Context(), sql+" where a <= ?", max(count, 1), count)
		must(t, err)
		var seen int64
		for row, err := range rows.All() {
			must(t, err)
			seen++
			equal(t, row[0], seen)
		}
		equal(t, seen, count)
	}
	// Left before its end, it keeps no cursor: more than a session may have are opened one after the other.
	for range 12 {
		rows, err := db.Query(t.Context(), sql, 5_000)
		must(t, err)
		if !rows.Next() {
			t.Fatal(rows.Err())
		}
		must(t, rows.Close())
	}
}

func TestATransactionIsWholeOrNothing(t *testing.T) {
	ctx := t.Context()
	db := connect(t)
	createTable(t, db, cinch.ColumnSpec{Name: "a", Type: "INTEGER", Unique: cinch.Ptr(true)})
	must(t, db.Transact(ctx, func(tx *cinch.Tx) error {
		if _, err := tx.Exec(ctx, "insert into t values (?)", 1); err != nil {
			return err
		}
		_, err := tx.KV.Set(ctx, cinch.KVSetParams{Key: "k", Value: 2.0})
		equal(t, only(t, tx.Client, "select count(*) from t"), cinch.Values{int64(1)})
		return err
	}))
	stop := errors.New("stop")
	mustBe(t, db.Transact(ctx, func(tx *cinch.Tx) error {
		_, err := tx.Row.Insert(ctx, cinch.RowInsertParams{Table: "t", Rows: []cinch.Row{{"a": 2}}})
		must(t, err)
		return stop
	}), stop)
	equal(t, only(t, db, "select count(*), sum(a) from t"), cinch.Values{int64(1), int64(1)})
	got, err := db.KV.Get(ctx, cinch.KVGetParams{Key: "k"})
	must(t, err)
	equal(t, got.Value, any(2.0))

	tx, err := db.Begin(ctx)
	must(t, err)
	_, err = tx.Tenant.Create(ctx, cinch.TenantCreateParams{Name: "acme"})
	mustBe(t, err, cinch.ErrNotInTransaction)
	_, err = tx.Exec(ctx, "insert into t values (1)")
	mustBe(t, err, cinch.ErrConstraint)
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	must(t, tx.Rollback(cancelled))
	must(t, tx.Rollback(ctx))
	_, err = tx.Exec(ctx, "insert into t values (3)")
	mustBe(t, err, cinch.KindTransactionEnded)
}

func TestATransactionIsOverHoweverItsCommitEnds(t *testing.T) {
	ctx := t.Context()
	db := connect(t)
	createTable(t, db, cinch.ColumnSpec{Name: "a", Type: "INTEGER"})
	cancelled, cancel := context.WithCancel(ctx)
	mustBe(t, db.Transact(cancelled, func(tx *cinch.Tx) error {
		_, err := tx.Exec(ctx, "insert into t values (1)")
		cancel()
		return err
	}), context.Canceled)
	// Another one has its turn, and sees nothing of it.
	soon, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	must(t, db.Transact(soon, func(tx *cinch.Tx) error {
		equal(t, only(t, tx.Client, "select count(*) from t"), cinch.Values{int64(0)})
		return nil
	}))
}

func TestATransactionDoesNotGoToAnotherTenant(t *testing.T) {
	ctx := t.Context()
	db := connect(t)
	createTable(t, db, cinch.ColumnSpec{Name: "a", Type: "INTEGER"})
	_, err := db.Tenant.Create(ctx, cinch.TenantCreateParams{Name: "acme"})
	must(t, err)
	must(t, db.Transact(ctx, func(tx *cinch.Tx) error {
		_, err := tx.Scope(cinch.Scope{Tenant: "acme"}).Exec(ctx, "insert into t values (1)")
		mustBe(t, err, cinch.KindInvalidValue)
		return nil
	}))
	equal(t, only(t, db, "select count(*) from t"), cinch.Values{int64(0)})
}

func TestAMethodOfAnyNameIsAskedFor(t *testing.T) {
	db := connect(t)
	for _, name := range []string{"no \"such\"", "\x00", "\n", "ä"} {
		mustBe(t, db.Call(t.Context(), name, nil, nil), cinch.KindMethodNotFound)
	}
	must(t, db.Ping(t.Context()))
}

func TestSomebodyElsesReconnectIsNotWaitedForLongerThanTheContextSays(t *testing.T) {
	project := newProject(t)
	slow := filepath.Join(t.TempDir(), "slow")
	must(t, os.WriteFile(slow, []byte("#!/bin/sh\nsleep 2\nexec "+os.Getenv("CINCHD")+" \"$@\"\n"), 0o700))
	db, err := cinch.Connect(t.Context(), cinch.Options{Project: project, Command: []string{slow}})
	must(t, err)
	defer db.Close()
	killDaemon(t, db)
	reconnected := make(chan error, 1)
	go func() { reconnected <- db.Ping(t.Context()) }()
	soon, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	mustBe(t, db.Ping(soon), context.DeadlineExceeded)
	must(t, <-reconnected)
}

const endless = "with recursive n(a) as (select 1 union all select a + 1 from n) select count(*) from n"

func TestACallIsCancelledWithItsContext(t *testing.T) {
	db := connect(t)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := db.Query(ctx, endless)
	mustBe(t, err, context.DeadlineExceeded)
	mustBe(t, err, cinch.ErrCancelled)
	err = db.Call(t.Context(), "query.run", map[string]any{"sql": endless}, nil, cinch.WithTimeout(200*time.Millisecond))
	mustBe(t, err, cinch.ErrTimeout)
	equal(t, only(t, db, "select 1"), cinch.Values{int64(1)})
}

func TestManyCallsAreUnderWayAtATime(t *testing.T) {
	db := connect(t)
	createTable(t, db, cinch.ColumnSpec{Name: "a", Type: "INTEGER"})
	var all sync.WaitGroup
	for each := range 200 {
		all.Add(1)
		go func() {
			defer all.Done()
			if _, err := db.Exec(t.Context(), "insert into t values (?)", each); err != nil {
				t.Error(err)
			}
		}()
	}
	all.Wait()
	equal(t, only(t, db, "select count(*), sum(a) from t"), cinch.Values{int64(200), int64(19_900)})
}

// killDaemon kills it while a call is under way, which ends with that.
func killDaemon(t *testing.T, db *cinch.Client) {
	t.Helper()
	ctx := t.Context()
	info, err := db.Project.Info(ctx)
	must(t, err)
	underWay := make(chan error, 1)
	go func() {
		_, err := db.Query(ctx, endless)
		underWay <- err
	}()
	process, err := os.FindProcess(int(info.PID))
	must(t, err)
	for stats, err := db.Project.Stats(ctx); ; stats, err = db.Project.Stats(ctx) {
		must(t, err)
		if stats.InFlight > 1 {
			break
		}
	}
	must(t, process.Kill())
	err = <-underWay
	mustBe(t, err, cinch.ErrConnectionLost)
	mustBe(t, err, cinch.ErrOutcomeUnknown)
}

func TestAConnectionThatWasLostIsMadeAnewUnlessSomethingWasOpen(t *testing.T) {
	ctx := t.Context()
	db := connect(t)
	createTable(t, db, cinch.ColumnSpec{Name: "a", Type: "INTEGER"})
	killDaemon(t, db)
	equal(t, only(t, db, "select count(*) from t"), cinch.Values{int64(0)})

	tx, err := db.Begin(ctx)
	must(t, err)
	killDaemon(t, db)
	_, err = db.Query(ctx, "select 1")
	mustBe(t, err, cinch.ErrConnectionLost)
	mustBe(t, tx.Commit(ctx), cinch.ErrConnectionLost)
	equal(t, only(t, db, "select 1"), cinch.Values{int64(1)})

	must(t, db.Close())
	mustBe(t, db.Ping(ctx), cinch.ErrConnectionLost)
}

func TestNothingGoesOnAfterClose(t *testing.T) {
	project := newProject(t)
	use := func() {
		db, err := cinch.Connect(t.Context(), cinch.Options{Project: project})
		must(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err = db.Query(ctx, endless)
		mustBe(t, err, context.DeadlineExceeded)
		rows, err := db.Query(t.Context(), "with recursive n(a) as (select 1 union all select a + 1 from n) select a from n")
		must(t, err)
		if !rows.Next() {
			t.Fatal(rows.Err())
		}
		must(t, db.Close())
	}
	// The first one starts the daemon, whose end is waited for.
	use()
	before := runtime.NumGoroutine()
	for range 10 {
		use()
	}
	for giveUpAt := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; {
		if time.Now().After(giveUpAt) {
			t.Fatalf("%d goroutines, before there were %d", runtime.NumGoroutine(), before)
		}
		runtime.Gosched()
	}
}

func TestADaemonOfOnesOwnSpeaksOverPipes(t *testing.T) {
	db, err := cinch.ConnectStdio(t.Context(), cinch.Options{Project: newProject(t)})
	must(t, err)
	equal(t, only(t, db, "select 1"), cinch.Values{int64(1)})
	must(t, db.Close())
}

func TestProgressIsReported(t *testing.T) {
	db := connect(t)
	createTable(t, db, cinch.ColumnSpec{Name: "a", Type: "INTEGER"})
	_, err := db.Exec(t.Context(), "with recursive n(a) as (select 1 union all select a + 1 from n where a < 50000) insert into t select a from n")
	must(t, err)
	var told []cinch.Progress
	path := filepath.Join(t.TempDir(), "t.csv")
	_, err = db.Tenant.Export(t.Context(), cinch.TenantExportParams{Path: path, Table: "t"},
		cinch.OnProgress(func(value cinch.Progress) { told = append(told, value) }))
	must(t, err)
	if len(told) == 0 {
		t.Fatal("nothing was told")
	}
}

func TestNoProjectIsSaidSo(t *testing.T) {
	_, err := cinch.Connect(t.Context(), cinch.Options{Project: t.TempDir()})
	mustBe(t, err, cinch.KindProjectNotFound)
}
