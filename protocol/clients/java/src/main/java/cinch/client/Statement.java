package cinch.client;

/**
 * One of a batch.
 *
 * @param sql the statement
 * @param params a list of them by position, or a map by name
 */
public record Statement(String sql, Object params) {
  /**
   * A statement with its parameters.
   *
   * @param sql the statement
   * @param params by position, or one map of them by name
   * @return the two together
   */
  public static Statement of(String sql, Object... params) {
    return new Statement(sql, Client.paramsOf(params));
  }
}
