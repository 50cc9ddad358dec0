package cinch.client;

import java.util.LinkedHashMap;
import java.util.Map;

/** The daemon said no, or failed. Kind and code are stable; data has what belongs to the kind. */
public class CinchException extends RuntimeException {
  private static final long serialVersionUID = 1;

  /** Its number. */
  private final int code;

  /** Its name. */
  private final String kind;

  /** What happened. */
  private final String reason;

  /** What to do about it, or null. */
  private final String hint;

  private final transient Map<String, Object> data;

  CinchException(Refusal refusal) {
    super(refusal.text());
    this.code = refusal.code();
    this.kind = refusal.kind();
    this.reason = refusal.message();
    this.hint = refusal.hint();
    this.data = refusal.data();
  }

  /**
   * Its number.
   *
   * @return the code of JSON-RPC
   */
  public final int code() {
    return code;
  }

  /**
   * Its name, one of {@link Api.Kind}.
   *
   * @return the kind
   */
  public final String kind() {
    return kind;
  }

  /**
   * What happened, without the rest of {@link #getMessage}.
   *
   * @return one sentence
   */
  public final String reason() {
    return reason;
  }

  /**
   * What to do about it, where that is known.
   *
   * @return one sentence, or null
   */
  public final String hint() {
    return hint;
  }

  /**
   * What belongs to the kind: a table's name, a limit. Empty after serialization.
   *
   * @return values by name
   */
  public final Map<String, Object> data() {
    return data == null ? Map.of() : data;
  }

  /** No database, branch, tenant, table, row, … of this name. */
  public static final class NotFound extends CinchException {
    private static final long serialVersionUID = 1;

    NotFound(Refusal refusal) {
      super(refusal);
    }
  }

  /** There is one of this name already. */
  public static final class Exists extends CinchException {
    private static final long serialVersionUID = 1;

    Exists(Refusal refusal) {
      super(refusal);
    }
  }

  /** A constraint of the schema stands against a write. */
  public static final class ConstraintFailed extends CinchException {
    private static final long serialVersionUID = 1;

    ConstraintFailed(Refusal refusal) {
      super(refusal);
    }
  }

  /** A limit of the daemon's configuration was hit; {@code data().get("limit")} names it. */
  public static final class LimitReached extends CinchException {
    private static final long serialVersionUID = 1;

    LimitReached(Refusal refusal) {
      super(refusal);
    }
  }

  /** The call was cancelled. */
  public static final class Cancelled extends CinchException {
    private static final long serialVersionUID = 1;

    Cancelled(Refusal refusal) {
      super(refusal);
    }
  }

  /** The call took longer than it was given. */
  public static final class TimedOut extends CinchException {
    private static final long serialVersionUID = 1;

    TimedOut(Refusal refusal) {
      super(refusal);
    }
  }

  /** A refusal as the wire has it. */
  record Refusal(int code, String kind, String message, String hint, Map<String, Object> data) {
    String text() {
      String told = data.isEmpty() ? "" : " " + Json.write(data, true);
      return message
          + " ["
          + kind
          + " "
          + code
          + "]"
          + told
          + (hint == null ? "" : " (" + hint + ")");
    }

    CinchException exception() {
      switch (kind) {
        case Api.Kind.CONSTRAINT_FAILED:
          return new ConstraintFailed(this);
        case Api.Kind.LIMIT_EXCEEDED, Api.Kind.MESSAGE_TOO_LARGE:
          return new LimitReached(this);
        case Api.Kind.REQUEST_CANCELLED:
          return new Cancelled(this);
        case Api.Kind.TIMEOUT:
          return new TimedOut(this);
        case Api.Kind.METHOD_NOT_FOUND:
          return new CinchException(this);
        default:
          if (kind.endsWith("NotFound")) return new NotFound(this);
          return kind.endsWith("Exists") ? new Exists(this) : new CinchException(this);
      }
    }
  }

  /** Of this side: a call that nobody waits for any more. */
  static CinchException cancelled(String message) {
    return new Refusal(-32800, Api.Kind.REQUEST_CANCELLED, message, null, Map.of()).exception();
  }

  /** Of this side: a daemon that does not answer. */
  static CinchException timedOut(String message) {
    return new Refusal(1003, Api.Kind.TIMEOUT, message, null, Map.of()).exception();
  }

  static CinchException of(Map<?, ?> error) {
    Answer told = Answer.of(error);
    Map<String, Object> data = told.object("data", Answer::row);
    if (data == null) data = new LinkedHashMap<>();
    String kind = data.remove("kind") instanceof String name ? name : "unknown";
    String hint = data.remove("hint") instanceof String text ? text : null;
    return new Refusal((int) told.whole("code", 0), kind, told.text("message"), hint, data)
        .exception();
  }
}
