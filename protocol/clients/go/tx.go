package cinch

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// Tx is an open transaction of a tenant. It has what a [Client] has; methods that take no part in a transaction answer
// [ErrNotInTransaction]. It belongs to the connection it was begun on, and is lost with that.
type Tx struct {
	*Client
}

type transaction struct {
	id      string
	conn    *conn
	isEnded atomic.Bool
}

// TxOptions say how a transaction behaves.
type TxOptions struct {
	// ReadOnly: it sees the rows as they are now, and keeps nobody waiting. Else it has its turn to write.
	ReadOnly bool
	// Idle: roll back if no call comes for so long. Zero: the daemon's limit.
	Idle time.Duration
	// Max: roll back after so long. Zero: the daemon's limit.
	Max time.Duration
}

// Begin begins a transaction that writes. It is ended by Commit or Rollback.
func (c *Client) Begin(ctx context.Context) (*Tx, error) { return c.BeginTx(ctx, TxOptions{}) }

// BeginTx begins a transaction.
func (c *Client) BeginTx(ctx context.Context, options TxOptions) (*Tx, error) {
	conn, err := c.link.connection(ctx, c.transaction)
	if err != nil {
		return nil, err
	}
	params := map[string]any{}
	if options.ReadOnly {
		params["mode"] = "read"
	}
	if options.Idle > 0 {
		params["idleMs"] = max(1, options.Idle.Milliseconds())
	}
	if options.Max > 0 {
		params["maxMs"] = max(1, options.Max.Milliseconds())
	}
	var begun struct {
		Transaction string `json:"transaction"`
	}
	if err := c.callOn(ctx, conn, "transaction.begin", params, &begun); err != nil {
		return nil, err
	}
	conn.open.Add(1)
	return &Tx{newClient(c.link, c.scope, &transaction{id: begun.Transaction, conn: conn})}, nil
}

// Commit commits: what was done is there for everybody. Whatever comes of it, the transaction is over.
func (t *Tx) Commit(ctx context.Context) error {
	isFirst := t.release()
	err := t.Call(ctx, "transaction.commit", nil, nil)
	if err != nil && isFirst {
		// One whose commit was refused or never sent would keep its tenant to itself.
		_ = t.undo(ctx)
	}
	return err
}

// Rollback rolls back: nothing is left. After Commit, or after the transaction ended otherwise, it does nothing.
func (t *Tx) Rollback(ctx context.Context) error {
	if !t.release() {
		return nil
	}
	return t.undo(ctx)
}

func (t *Tx) undo(ctx context.Context) error {
	// What is to be undone because a context has ended is undone all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopPatience)
	defer cancel()
	err := t.Call(ctx, "transaction.rollback", nil, nil)
	if errors.Is(err, KindTransactionEnded) || errors.Is(err, ErrConnectionLost) {
		return nil
	}
	return err
}

// Close rolls back. It does not close the connection.
func (t *Tx) Close() error { return t.Rollback(context.Background()) }

// release tells whether this was the first to end the transaction.
func (t *Tx) release() bool {
	isFirst := t.transaction.isEnded.CompareAndSwap(false, true)
	if isFirst {
		t.transaction.conn.open.Add(-1)
	}
	return isFirst
}

// Transact does work in a transaction that writes: it commits at the end, and rolls back on an error or a panic.
func (c *Client) Transact(ctx context.Context, work func(*Tx) error) error {
	tx, err := c.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	if err := work(tx); err != nil {
		return err
	}
	return tx.Commit(ctx)
}
