// Vectors sends and reads every value of protocol/vectors/values.json, and tells of each whether it stayed what it is.
//
//	CINCH_PROJECT=DIR go run ./internal/vectors
package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"math"
	"math/big"
	"os"
	"reflect"
	"strconv"

	"cinch"
)

type vector struct {
	Name   string
	Kind   string
	Value  string
	SQL    string
	Typeof string
	By     string
}

func main() {
	ctx := context.Background()
	path := os.Getenv("CINCH_VECTORS")
	if path == "" {
		path = "../../vectors/values.json"
	}
	data, err := os.ReadFile(path)
	check(err)
	var vectors struct{ Values, Refused []vector }
	check(json.Unmarshal(data, &vectors))
	db, err := cinch.Connect(ctx, cinch.Options{})
	check(err)
	defer db.Close()
	count, passed := 0, 0
	report := func(each vector, err error) {
		count++
		if err == nil {
			passed++
			fmt.Println("ok", each.Name)
		} else {
			fmt.Println("FAIL", each.Name)
			log.Printf("%s: %v", each.Name, err)
		}
	}
	for _, each := range vectors.Values {
		report(each, each.stays(ctx, db))
	}
	for _, each := range vectors.Refused {
		if each.By == "client" {
			report(each, each.isRefused(ctx, db))
		}
	}
	fmt.Printf("%d of %d vectors\n", passed, count)
	if passed < count {
		os.Exit(1)
	}
}

// stays sends the value and reads it, and reads what SQL gives for it.
func (v vector) stays(ctx context.Context, db *cinch.Client) error {
	native, err := v.native()
	if err != nil {
		return err
	}
	var isEqual int
	var kind string
	returned, read := v.place(), v.place()
	sql := fmt.Sprintf("select ?1 is %s, typeof(?1), ?1, %s", v.SQL, v.SQL)
	rows, err := db.Query(ctx, sql, native)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		return fmt.Errorf("no row: %w", rows.Err())
	}
	if err := rows.Scan(&isEqual, &kind, returned, read); err != nil {
		return err
	}
	switch {
	case isEqual != 1:
		return fmt.Errorf("%v arrived as another value", native)
	case kind != v.Typeof:
		return fmt.Errorf("%v arrived as %s", native, kind)
	case !v.isSame(returned):
		return fmt.Errorf("%v came back as %v", native, reflect.ValueOf(returned).Elem())
	case !v.isSame(read):
		return fmt.Errorf("%s was read as %v", v.SQL, reflect.ValueOf(read).Elem())
	}
	return nil
}

// isRefused sends what is no value of SQLite, which the client has to find out by itself.
func (v vector) isRefused(ctx context.Context, db *cinch.Client) error {
	native, err := v.native()
	if err != nil {
		return err
	}
	_, err = db.Query(ctx, "select ?1", native)
	var ofDaemon *cinch.Error
	switch {
	case err == nil:
		return errors.New("it was taken")
	case errors.As(err, &ofDaemon):
		return fmt.Errorf("it was sent: %w", err)
	}
	return nil
}

func (v vector) native() (any, error) {
	switch v.Kind {
	case "null":
		return nil, nil
	case "boolean":
		return strconv.ParseBool(v.Value)
	case "integer":
		whole, ok := new(big.Int).SetString(v.Value, 10)
		if !ok {
			return nil, fmt.Errorf("%s is no integer", v.Value)
		}
		if whole.IsInt64() {
			return whole.Int64(), nil
		}
		return whole, nil
	case "real":
		return strconv.ParseFloat(v.Value, 64)
	case "text":
		return v.Value, nil
	case "blob":
		return hex.DecodeString(v.Value)
	}
	return nil, fmt.Errorf("%s is no kind", v.Kind)
}

// place is where a value of this kind is scanned to. JSON does not tell 2.0 from 2; who scans does.
func (v vector) place() any {
	if v.Kind == "real" {
		return new(float64)
	}
	return new(any)
}

func (v vector) isSame(place any) bool {
	native, err := v.native()
	if err != nil {
		return false
	}
	switch place := place.(type) {
	case *float64:
		return math.Float64bits(*place) == math.Float64bits(native.(float64))
	case *any:
		// SQLite keeps booleans as integers.
		if truth, ok := native.(bool); ok {
			return *place == map[bool]any{false: int64(0), true: int64(1)}[truth]
		}
		return reflect.DeepEqual(*place, native)
	}
	return false
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
