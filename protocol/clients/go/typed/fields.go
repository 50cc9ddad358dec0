package typed

import (
	"fmt"
	"reflect"
	"sync"

	"cinch"
)

// field is where a struct has the value of a column.
type field struct {
	at     int
	column string
}

// known are the fields of a struct that have a column, by its type.
var known sync.Map

func fieldsOf(shape reflect.Type) []field {
	if found, ok := known.Load(shape); ok {
		return found.([]field)
	}
	var fields []field
	for at := range shape.NumField() {
		if column, ok := shape.Field(at).Tag.Lookup("cinch"); ok {
			fields = append(fields, field{at, column})
		}
	}
	known.Store(shape, fields)
	return fields
}

// given is the row of a struct's fields, but for those that leave their column out.
func given(shape any) cinch.Row {
	value := reflect.ValueOf(shape)
	fields := fieldsOf(value.Type())
	row := make(cinch.Row, len(fields))
	for _, field := range fields {
		if place := value.Field(field.at); !isLeftOut(place) {
			row[field.column] = place.Interface()
		}
	}
	return row
}

func isLeftOut(value reflect.Value) bool {
	switch value.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Slice:
		return value.IsNil()
	case reflect.Struct:
		nullable, ok := value.Interface().(interface{ IsZero() bool })
		return ok && nullable.IsZero()
	}
	return false
}

// read is the struct of a row of a table or view.
func read[R any](table string, row cinch.Row) (R, error) {
	var shape, none R
	value := reflect.ValueOf(&shape).Elem()
	for _, field := range fieldsOf(value.Type()) {
		found, ok := row[field.column]
		if !ok {
			return none, fmt.Errorf("cinch: %s has no column %s any more", table, field.column)
		}
		if err := cinch.Assign(value.Field(field.at).Addr().Interface(), found); err != nil {
			return none, fmt.Errorf("cinch: %s, column %s: %w", table, field.column, err)
		}
	}
	return shape, nil
}
