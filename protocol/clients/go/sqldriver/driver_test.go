package sqldriver_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cinch"
	_ "cinch/sqldriver"
)

const columns = "i integer, r real, x text, b blob, f boolean"

// openDB is a pool over a new project with a table t. Its daemon is stopped at the end.
func openDB(t *testing.T, query string) *sql.DB {
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
	must(t, exec.Command("node", "-e", script).Run())
	client, err := cinch.Connect(t.Context(), cinch.Options{Project: folder})
	must(t, err)
	var specs []cinch.ColumnSpec
	for _, each := range strings.Split(columns, ", ") {
		name, kind, _ := strings.Cut(each, " ")
		specs = append(specs, cinch.ColumnSpec{Name: name, Type: kind})
	}
	_, err = client.Table.Create(t.Context(), cinch.TableCreateParams{
		Name: "t", Columns: specs, SystemColumns: cinch.Ptr(false),
	})
	must(t, err)
	_, err = client.Tenant.Create(t.Context(), cinch.TenantCreateParams{Name: "acme"})
	must(t, err)
	db, err := sql.Open("cinch", folder+query)
	must(t, err)
	t.Cleanup(func() {
		must(t, db.Close())
		ctx := context.Background()
		info, err := client.Project.Info(ctx)
		must(t, err)
		process, err := os.FindProcess(int(info.PID))
		must(t, err)
		must(t, process.Kill())
		must(t, client.Close())
		must(t, os.RemoveAll(folder))
	})
	return db
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, db *sql.DB) (found int) {
	t.Helper()
	must(t, db.QueryRow("select count(*) from t").Scan(&found))
	return found
}

func TestValuesAreExactThroughDatabaseSQL(t *testing.T) {
	db := openDB(t, "?tenant=acme")
	done, err := db.Exec("insert into t values (?, ?, ?, ?, ?), (null, null, null, null, null)",
		int64(math.MinInt64), 2.0, "ä\x00", []byte{0, 255}, true)
	must(t, err)
	changed, err := done.RowsAffected()
	must(t, err)
	if _, err := done.LastInsertId(); err == nil || changed != 2 {
		t.Fatal(changed, err)
	}
	var whole sql.NullInt64
	var real sql.NullFloat64
	var text sql.NullString
	var blob []byte
	var flag sql.NullBool
	must(t, db.QueryRow("select * from t where i = :i", sql.Named("i", int64(math.MinInt64))).
		Scan(&whole, &real, &text, &blob, &flag))
	if whole.Int64 != math.MinInt64 || real.Float64 != 2 || text.String != "ä\x00" || string(blob) != "\x00\xff" || !flag.Bool {
		t.Fatal(whole, real, text, blob, flag)
	}
	must(t, db.QueryRow("select * from t where i is null").Scan(&whole, &real, &text, &blob, &flag))
	if whole.Valid || real.Valid || text.Valid || blob != nil || flag.Valid {
		t.Fatal(whole, real, text, blob, flag)
	}
	rows, err := db.Query("select r, 1 as n from t")
	must(t, err)
	defer rows.Close()
	types, err := rows.ColumnTypes()
	must(t, err)
	if types[0].DatabaseTypeName() != "REAL" || types[1].Name() != "n" || types[1].DatabaseTypeName() != "" {
		t.Fatal(types[0], types[1])
	}
}

func TestTimesAreTheProductsText(t *testing.T) {
	db := openDB(t, "")
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
	var text string
	var back cinch.Time
	must(t, db.QueryRow("insert into t (x) values (?) returning x, x", at).Scan(&text, &back))
	if text != "2026-01-02T03:04:05.678Z" || !back.Equal(at) {
		t.Fatal(text, back)
	}
	if n := count(t, db); n != 1 {
		t.Fatal(n, "rows: it was run twice")
	}
}

func TestATransactionOfDatabaseSQLIsWholeOrNothing(t *testing.T) {
	db := openDB(t, "")
	tx, err := db.Begin()
	must(t, err)
	_, err = tx.Exec("insert into t (i) values (1)")
	must(t, err)
	if n := count(t, db); n != 0 {
		t.Fatal(n, "rows are seen before the commit")
	}
	must(t, tx.Rollback())
	tx, err = db.Begin()
	must(t, err)
	_, err = tx.Exec("insert into t (i) values (1)")
	must(t, err)
	must(t, tx.Commit())
	if n := count(t, db); n != 1 {
		t.Fatal(n)
	}
	tx, err = db.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	must(t, err)
	if _, err = tx.Exec("insert into t (i) values (1)"); !errors.Is(err, cinch.KindTransactionReadOnly) {
		t.Fatal(err)
	}
	must(t, tx.Rollback())
	if _, err = db.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelReadUncommitted}); err == nil {
		t.Fatal("a transaction without isolation was begun")
	}
}

func TestLargeResultsAndPreparedStatements(t *testing.T) {
	db := openDB(t, "")
	many, err := db.Prepare("with recursive n(a) as (select 1 union all select a + 1 from n where a < ?) select a from n")
	must(t, err)
	defer many.Close()
	for _, wanted := range []int64{1, 1_000, 12_345} {
		rows, err := many.Query(wanted)
		must(t, err)
		var sum, seen int64
		for rows.Next() {
			must(t, rows.Scan(&seen))
			sum += seen
		}
		must(t, rows.Err())
		if sum != wanted*(wanted+1)/2 {
			t.Fatal(sum)
		}
	}
}

func TestAContextCancelsThroughDatabaseSQL(t *testing.T) {
	db := openDB(t, "")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := db.QueryContext(ctx, "with recursive n(a) as (select 1 union all select a + 1 from n) select count(*) from n")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	if n := count(t, db); n != 0 {
		t.Fatal(n)
	}
}

func TestWhatWouldHaveToBeGuessedIsRefused(t *testing.T) {
	db := openDB(t, "")
	for _, args := range [][]any{{sql.Named("a", 1), 2}, {uint64(math.MaxUint64), 1}, {struct{}{}, 1}, {math.NaN(), 1}} {
		if _, err := db.Exec("insert into t (i, r) values (:a, ?2)", args...); err == nil {
			t.Fatalf("%v was taken", args)
		}
	}
	if _, err := db.Exec("select 1"); !errors.Is(err, cinch.KindSQLRefused) {
		t.Fatal(err)
	}
	for _, source := range []string{"?tenent=a", "?start=maybe", "?%"} {
		if _, err := sql.Open("cinch", source); err == nil {
			t.Fatalf("%s was opened", source)
		}
	}
}
