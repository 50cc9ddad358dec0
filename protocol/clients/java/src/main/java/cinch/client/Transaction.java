package cinch.client;

import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * An open transaction of a tenant: a client whose rows, keys and SQL are read and changed in it. Methods that take no part
 * in one are refused. It belongs to the connection that it was begun on, and is lost with that.
 */
public final class Transaction extends Client {
  private final AtomicBoolean isOver = new AtomicBoolean();

  Transaction(View view) {
    super(view);
  }

  /** Commits: what was done is there for everybody. */
  public void commit() {
    release();
    call("transaction.commit", Map.of());
  }

  /** Rolls back: nothing is left. One that is over already stays as it is. */
  public void rollback() {
    if (!release()) return;
    try {
      call("transaction.rollback", Map.of());
    } catch (ConnectionLostException error) {
      // It was rolled back with the connection.
    } catch (CinchException error) {
      if (!error.kind().equals(Api.Kind.TRANSACTION_ENDED)) throw error;
    }
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
