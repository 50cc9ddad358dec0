package cinch.client;

import java.time.Duration;

/** How a transaction behaves. */
public final class TransactionOptions extends Shape {
  /** One that writes, within the daemon's limits. */
  public TransactionOptions() {}

  /**
   * It sees the rows as they are when it begins, and keeps nobody waiting.
   *
   * @return these options
   */
  public TransactionOptions readOnly() {
    put("mode", "read");
    return this;
  }

  /**
   * It is rolled back if no call comes for so long.
   *
   * @param limit by default the daemon's
   * @return these options
   */
  public TransactionOptions idle(Duration limit) {
    put("idleMs", Math.max(1, limit.toMillis()));
    return this;
  }

  /**
   * It is rolled back after so long.
   *
   * @param limit by default the daemon's
   * @return these options
   */
  public TransactionOptions max(Duration limit) {
    put("maxMs", Math.max(1, limit.toMillis()));
    return this;
  }
}
