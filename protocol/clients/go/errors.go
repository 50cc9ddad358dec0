package cinch

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Families of refusals, for [errors.Is]. One kind is asked for by its constant: errors.Is(err, cinch.KindTableNotFound).
var (
	// ErrNotFound: no database, branch, tenant, table, row, … of this name.
	ErrNotFound = errors.New("cinch: not found")
	// ErrExists: there is one of this name already.
	ErrExists = errors.New("cinch: exists")
	// ErrConstraint: a constraint of the schema stands against a write.
	ErrConstraint = errors.New("cinch: constraint failed")
	// ErrLimit: a limit of the daemon's configuration was hit; Data["limit"] names it.
	ErrLimit = errors.New("cinch: limit reached")
	// ErrCancelled: the call was cancelled.
	ErrCancelled = errors.New("cinch: cancelled")
	// ErrTimeout: the daemon gave the call up.
	ErrTimeout = errors.New("cinch: timed out")
)

var (
	// ErrConnectionLost: the daemon is gone, or the connection was closed.
	ErrConnectionLost = errors.New("cinch: connection lost")
	// ErrOutcomeUnknown: the call was sent and not answered; it may or may not have been done.
	ErrOutcomeUnknown = errors.New("outcome unknown")
	// ErrNotInTransaction: the method takes no part in a transaction; it is called on the client, not on the [Tx].
	ErrNotInTransaction = errors.New("not possible in a transaction")
	// ErrTruncated: the daemon's limit cut a result, and there is no cursor that would read the rest.
	ErrTruncated = errors.New("cinch: the result was cut at the daemon's limit")
)

// Kind is the stable name of a refusal.
type Kind string

func (k Kind) Error() string { return string(k) }

// Error is the daemon's no, or its failure. Kind and Code are stable, Data has what belongs to the kind.
type Error struct {
	Code    int
	Kind    Kind
	Message string
	Hint    string
	Data    map[string]any
}

func (e *Error) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "cinch: %s [%s %d]", e.Message, e.Kind, e.Code)
	if len(e.Data) > 0 {
		if data, err := json.Marshal(e.Data); err == nil {
			fmt.Fprintf(&text, " %s", data)
		}
	}
	if e.Hint != "" {
		fmt.Fprintf(&text, " (%s)", e.Hint)
	}
	return text.String()
}

// Is tells whether the error is of a [Kind], or of a family of kinds.
func (e *Error) Is(target error) bool {
	if kind, ok := target.(Kind); ok {
		return e.Kind == kind
	}
	return target == e.family()
}

func (e *Error) family() error {
	switch e.Kind {
	case "constraintFailed":
		return ErrConstraint
	case "limitExceeded", "messageTooLarge":
		return ErrLimit
	case "requestCancelled":
		return ErrCancelled
	case "timeout":
		return ErrTimeout
	case "methodNotFound":
		return nil
	}
	switch {
	case strings.HasSuffix(string(e.Kind), "NotFound"):
		return ErrNotFound
	case strings.HasSuffix(string(e.Kind), "Exists"):
		return ErrExists
	}
	return nil
}

// wireError is an error as JSON-RPC has it.
type wireError struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data"`
}

func (w *wireError) asError() *Error {
	found := &Error{Code: w.Code, Kind: "unknown", Message: w.Message}
	if data, err := decodeValue(w.Data); err == nil {
		found.Data, _ = data.(map[string]any)
	}
	if kind, ok := found.Data["kind"].(string); ok {
		found.Kind = Kind(kind)
	}
	found.Hint, _ = found.Data["hint"].(string)
	delete(found.Data, "kind")
	delete(found.Data, "hint")
	return found
}
