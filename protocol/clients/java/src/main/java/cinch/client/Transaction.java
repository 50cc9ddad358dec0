package cinch.client;

import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * An open transaction of a tenant: a client whose rows, keys and SQL are read and changed in it.
 * Methods that take no part in one are refused. It belongs to the connection that it was begun on,
 * and is lost with that.
 */
public final class Transaction extends Client {
  private final AtomicBoolean isOver = new AtomicBoolean();

  Transaction(View view) {
    super(view);
  }

  /** Commits: what was done is there for everybody. Where that fails, it is rolled back. */
  public void commit() {
    try {
      call("transaction.commit", Map.of());
      release();
    } catch (CinchException | ConnectionLostException error) {
      rollback();
      throw error;
    }
  }

  /** Rolls back: nothing is left. One that is over already stays as it is. */
  public void rollback() {
    if (!release()) return;
    // A thread that is interrupted undoes what is to be undone all the same.
    Throwable failure =
        callAsync("transaction.rollback", Map.of()).handle((result, error) -> error).join();
    boolean isGone =
        failure == null
            || failure instanceof ConnectionLostException
            || failure instanceof CinchException refusal
                && refusal.kind().equals(Api.Kind.TRANSACTION_ENDED);
    if (isGone) return;
    throw failure instanceof RuntimeException error
        ? error
        : CinchException.timedOut("the rollback was not answered");
  }

  /** Rolls back, unless it was committed. It does not close the connection. */
  @Override
  public void close() {
    rollback();
  }

  /** Tells whether this was the first to end it. */
  private boolean release() {
    boolean isFirst = isOver.compareAndSet(false, true);
    if (isFirst) connection().open.decrementAndGet();
    return isFirst;
  }
}
