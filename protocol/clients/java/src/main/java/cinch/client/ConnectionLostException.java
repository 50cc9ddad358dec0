package cinch.client;

/** The daemon is gone, or the connection was closed. */
public final class ConnectionLostException extends RuntimeException {
  private static final long serialVersionUID = 1;

  /** Whether the call had been sent. */
  private final boolean isOutcomeUnknown;

  ConnectionLostException(String reason) {
    super(reason);
    this.isOutcomeUnknown = false;
  }

  /** Of a call that was sent. */
  ConnectionLostException(String reason, String method) {
    super(reason + "; " + method + " may or may not have been done");
    this.isOutcomeUnknown = true;
  }

  /**
   * Whether the call had been sent, so that it may or may not have been done.
   *
   * @return false: nothing was done
   */
  public boolean isOutcomeUnknown() {
    return isOutcomeUnknown;
  }
}
