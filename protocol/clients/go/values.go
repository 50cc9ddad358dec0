package cinch

import (
	"bytes"
	"database/sql/driver"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Row is a row by the names of its columns. JSON does not tell 2.0 from 2, so a whole number is an int64 here even
// where its column is REAL; [Rows] know the columns' types, and so does generated code.
type Row map[string]any

// Where is a condition: {"age": {"gte": 18}, "name": "Ada"}.
type Where map[string]any

// Named are a statement's parameters by name, without the leading :, @ or $; given as the only one.
type Named map[string]any

// Values are values in a list.
type Values []any

func (r Row) MarshalJSON() ([]byte, error)    { return encodeValue(map[string]any(r)) }
func (w Where) MarshalJSON() ([]byte, error)  { return encodeValue(map[string]any(w)) }
func (n Named) MarshalJSON() ([]byte, error)  { return encodeValue(map[string]any(n)) }
func (v Values) MarshalJSON() ([]byte, error) { return encodeValue([]any(v)) }

func (r *Row) UnmarshalJSON(data []byte) error {
	found, err := decodeValue(data)
	if err != nil || found == nil {
		return err
	}
	row, ok := found.(map[string]any)
	if !ok {
		return fmt.Errorf("a row is an object, not %T", found)
	}
	*r = row
	return nil
}

func (v *Values) UnmarshalJSON(data []byte) error {
	found, err := decodeValue(data)
	if err != nil || found == nil {
		return err
	}
	values, ok := found.([]any)
	if !ok {
		return fmt.Errorf("a list was wanted, not %T", found)
	}
	*v = values
	return nil
}

// tagged carries a single value through encoding/json.
type tagged struct{ value any }

func (t tagged) MarshalJSON() ([]byte, error) { return encodeValue(t.value) }

func (t *tagged) UnmarshalJSON(data []byte) (err error) {
	t.value, err = decodeValue(data)
	return err
}

// Nullable is a parameter that can be left out, be null, or have a value. The zero value is left out.
type Nullable[T any] struct {
	value *T
	given bool
}

// Null is a parameter that is null.
func Null[T any]() Nullable[T] { return Nullable[T]{given: true} }

// Some is a parameter that has a value.
func Some[T any](value T) Nullable[T] { return Nullable[T]{value: &value, given: true} }

// Ptr is for optional parameters.
func Ptr[T any](value T) *T { return &value }

// IsZero tells whether the parameter is left out.
func (n Nullable[T]) IsZero() bool { return !n.given }

// Given tells whether the parameter is there, and its value; nil is null.
func (n Nullable[T]) Given() (*T, bool) { return n.value, n.given }

func (n Nullable[T]) MarshalJSON() ([]byte, error) { return json.Marshal(n.value) }

func (n Nullable[T]) pointer() any { return n.value }

const timeLayout = "2006-01-02T15:04:05.000Z"

// Time is a time that is kept as text, as the daemon writes its own: ISO 8601 in UTC, to the millisecond. It can be
// scanned into and given as a parameter.
type Time struct{ time.Time }

// Scan reads what the daemon, or an RFC 3339 writer, has written.
func (t *Time) Scan(value any) error {
	text, ok := value.(string)
	if !ok {
		return fmt.Errorf("cinch: a time is text, not %T", value)
	}
	parsed, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return err
	}
	t.Time = parsed.UTC()
	return nil
}

// Value is the text.
func (t Time) Value() (driver.Value, error) { return timeText(t.Time) }

func timeText(given time.Time) (string, error) {
	given = given.UTC()
	if given.Year() < 0 || given.Year() > 9999 {
		return "", fmt.Errorf("the year %d cannot be written in ISO 8601", given.Year())
	}
	return given.Format(timeLayout), nil
}

const maxExact = 1<<53 - 1

// encodeValue is a value as the wire wants it; what JSON cannot hold is tagged. It walks lists and maps.
func encodeValue(value any) ([]byte, error) { return encoder{isTagged: true}.append(nil, value) }

type encoder struct{ isTagged bool }

func (e encoder) append(to []byte, value any) ([]byte, error) {
	switch value := value.(type) {
	case nil:
		return append(to, "null"...), nil
	case bool:
		return strconv.AppendBool(to, value), nil
	case int64:
		return e.appendInt(to, value)
	case int:
		return e.appendInt(to, int64(value))
	case float64:
		return e.appendFloat(to, value)
	case string:
		return appendText(to, value)
	case []byte:
		return e.appendBytes(to, value)
	case time.Time:
		text, err := timeText(value)
		if err != nil {
			return nil, err
		}
		return appendText(to, text)
	case Time:
		return e.append(to, value.Time)
	case *time.Time:
		return e.appendReflected(to, reflect.ValueOf(value))
	case *big.Int:
		return e.appendBig(to, value)
	case interface{ pointer() any }: // a Nullable
		return e.append(to, value.pointer())
	case map[string]any:
		return e.appendMap(to, reflect.ValueOf(value))
	case json.Marshaler:
		if pointer := reflect.ValueOf(value); pointer.Kind() == reflect.Pointer && pointer.IsNil() {
			return append(to, "null"...), nil
		}
		data, err := value.MarshalJSON()
		return append(to, data...), err
	}
	return e.appendReflected(to, reflect.ValueOf(value))
}

func (e encoder) appendReflected(to []byte, value reflect.Value) ([]byte, error) {
	switch value.Kind() {
	case reflect.Bool:
		return strconv.AppendBool(to, value.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return e.appendInt(to, value.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if value.Uint() > math.MaxInt64 {
			return nil, fmt.Errorf("%d is beyond 64 bits", value.Uint())
		}
		return e.appendInt(to, int64(value.Uint()))
	case reflect.Float32, reflect.Float64:
		return e.appendFloat(to, value.Float())
	case reflect.String:
		return appendText(to, value.String())
	case reflect.Pointer, reflect.Interface:
		if value.IsNil() {
			return append(to, "null"...), nil
		}
		return e.append(to, value.Elem().Interface())
	case reflect.Slice, reflect.Array:
		if value.Kind() == reflect.Slice && value.Type().Elem().Kind() == reflect.Uint8 {
			return e.appendBytes(to, value.Bytes())
		}
		to = append(to, '[')
		for at := range value.Len() {
			if at > 0 {
				to = append(to, ',')
			}
			var err error
			if to, err = e.append(to, value.Index(at).Interface()); err != nil {
				return nil, err
			}
		}
		return append(to, ']'), nil
	case reflect.Map:
		if value.Type().Key().Kind() == reflect.String {
			return e.appendMap(to, value)
		}
	case reflect.Struct:
		if !e.isTagged {
			data, err := json.Marshal(value.Interface())
			return append(to, data...), err
		}
	}
	return nil, fmt.Errorf("%s is no value of SQLite: use nil, bool, an integer, a float, string, []byte or time.Time",
		value.Type())
}

func (e encoder) appendMap(to []byte, value reflect.Value) ([]byte, error) {
	names := value.MapKeys()
	slices.SortFunc(names, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	to = append(to, '{')
	for at, name := range names {
		if at > 0 {
			to = append(to, ',')
		}
		var err error
		if to, err = appendText(to, name.String()); err != nil {
			return nil, err
		}
		to = append(to, ':')
		if to, err = e.append(to, value.MapIndex(name).Interface()); err != nil {
			return nil, fmt.Errorf("%s: %w", name.String(), err)
		}
	}
	return append(to, '}'), nil
}

func (e encoder) appendInt(to []byte, value int64) ([]byte, error) {
	if value >= -maxExact && value <= maxExact {
		return strconv.AppendInt(to, value, 10), nil
	}
	if !e.isTagged {
		return nil, fmt.Errorf("%d is beyond 2^53; give it as an SQL expression", value)
	}
	return fmt.Appendf(to, `{"$int":"%d"}`, value), nil
}

func (e encoder) appendBig(to []byte, value *big.Int) ([]byte, error) {
	switch {
	case value == nil:
		return append(to, "null"...), nil
	case !value.IsInt64():
		return nil, fmt.Errorf("%d is beyond 64 bits", value)
	}
	return e.appendInt(to, value.Int64())
}

func (e encoder) appendFloat(to []byte, value float64) ([]byte, error) {
	switch {
	case math.IsNaN(value):
		return nil, errors.New("SQLite has no NaN")
	case !e.isTagged && math.IsInf(value, 0):
		return nil, errors.New("an infinite number cannot stand in a schema")
	case math.IsInf(value, 1):
		return append(to, `{"$real":"Infinity"}`...), nil
	case math.IsInf(value, -1):
		return append(to, `{"$real":"-Infinity"}`...), nil
	// JSON does not tell 2.0 from 2; SQLite does.
	case e.isTagged && value == math.Trunc(value):
		return fmt.Appendf(to, `{"$real":"%s"}`, strconv.FormatFloat(value, 'g', -1, 64)), nil
	}
	return strconv.AppendFloat(to, value, 'g', -1, 64), nil
}

func (e encoder) appendBytes(to, value []byte) ([]byte, error) {
	if value == nil {
		return append(to, "null"...), nil
	}
	if !e.isTagged {
		return nil, errors.New("bytes cannot stand in a schema")
	}
	to = append(to, `{"$blob":"`...)
	to = base64.StdEncoding.AppendEncode(to, value)
	return append(to, `"}`...), nil
}

func appendText(to []byte, value string) ([]byte, error) {
	// encoding/json would put other characters in place of what is none.
	if !utf8.ValidString(value) {
		return nil, fmt.Errorf("the text %q is not UTF-8; give it as []byte", value)
	}
	data, err := json.Marshal(value)
	return append(to, data...), err
}

// plainNouns: in what describes a schema, a value is a definition and goes as plain JSON.
var plainNouns = []string{"branch.", "column.", "index.", "plugin.", "schema.", "table.", "view."}

func encodeParams(method string, params any) ([]byte, error) {
	if params == nil {
		return []byte("{}"), nil
	}
	if reflect.ValueOf(params).Kind() != reflect.Map {
		return json.Marshal(params)
	}
	isPlain := slices.ContainsFunc(plainNouns, func(noun string) bool { return strings.HasPrefix(method, noun) })
	return encoder{isTagged: !isPlain}.append(nil, params)
}

// joinObjects adds to a JSON object what it does not have itself.
func joinObjects(given []byte, added map[string]any) ([]byte, error) {
	if len(added) == 0 {
		return given, nil
	}
	if !bytes.Equal(given, []byte("{}")) {
		var own map[string]json.RawMessage
		if err := json.Unmarshal(given, &own); err != nil {
			return nil, fmt.Errorf("cinch: parameters are an object: %w", err)
		}
		for name := range own {
			delete(added, name)
		}
		if len(added) == 0 {
			return given, nil
		}
	}
	more, err := json.Marshal(added)
	if err != nil || bytes.Equal(given, []byte("{}")) {
		return more, err
	}
	joined := append(given[:len(given)-1:len(given)-1], ',')
	return append(joined, more[1:]...), nil
}

// decodeValue is a JSON value as Go has it: an int64, a float64 or a []byte where it is tagged so.
func decodeValue(data []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var found any
	if err := decoder.Decode(&found); err != nil {
		return nil, err
	}
	return untag(found)
}

func untag(found any) (any, error) {
	var err error
	switch found := found.(type) {
	case json.Number:
		return numberOf(string(found))
	case []any:
		for at, each := range found {
			if found[at], err = untag(each); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		if len(found) == 1 {
			for tag, value := range found {
				if text, ok := value.(string); ok && strings.HasPrefix(tag, "$") {
					return untagOne(tag, text, found)
				}
			}
		}
		for name, each := range found {
			if found[name], err = untag(each); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

func untagOne(tag, text string, whole map[string]any) (any, error) {
	switch tag {
	case "$int":
		return strconv.ParseInt(text, 10, 64)
	case "$real":
		return strconv.ParseFloat(text, 64)
	case "$blob":
		blob, err := base64.StdEncoding.DecodeString(text)
		return blob, err
	}
	return whole, nil
}

// numberOf: INTEGERs beyond 2^53 are tagged, so a whole number of that size that is not is a REAL.
func numberOf(text string) (any, error) {
	if !strings.ContainsAny(text, ".eE") {
		if value, err := strconv.ParseInt(text, 10, 64); err == nil && value >= -maxExact && value <= maxExact {
			return value, nil
		}
	}
	return strconv.ParseFloat(text, 64)
}

// isReal tells whether a declared type has REAL affinity, by SQLite's rules (https://sqlite.org/datatype3.html, 3.1).
func isReal(declared string) bool {
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(strings.ToUpper(declared), part) })
	}
	return !has("INT", "CHAR", "CLOB", "TEXT", "BLOB") && has("REAL", "FLOA", "DOUB")
}
