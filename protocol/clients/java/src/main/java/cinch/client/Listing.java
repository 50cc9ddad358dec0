package cinch.client;

import java.util.List;
import java.util.Map;

/** Which rows of a table are listed, and how. */
public final class Listing extends Shape {
  /** All rows, by their primary key, up to the daemon's limit: 1,000. */
  public Listing() {}

  /**
   * Only rows that meet a condition.
   *
   * @param condition such as {@code Map.of("age", Map.of("gte", 18))}
   * @return this
   */
  public Listing where(Map<String, ?> condition) {
    put("where", condition);
    return this;
  }

  /**
   * In an order.
   *
   * @param columns their names; a leading {@code -} sorts from the greatest to the smallest
   * @return this
   */
  public Listing orderBy(String... columns) {
    put("orderBy", List.of(columns));
    return this;
  }

  /**
   * Only so many.
   *
   * @param rows at most
   * @return this
   */
  public Listing limit(long rows) {
    put("limit", rows);
    return this;
  }

  /**
   * Without the first ones.
   *
   * @param rows that are left out
   * @return this
   */
  public Listing offset(long rows) {
    put("offset", rows);
    return this;
  }
}
