package cinch.client;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;

/**
 * What a statement did.
 *
 * @param columns of the rows; names may repeat
 * @param rows in their order
 * @param changes how many rows were inserted, updated or deleted
 * @param truncated whether there were more rows than the daemon's limit lets through
 */
public record Result(List<Column> columns, List<Row> rows, long changes, boolean truncated)
    implements Iterable<Row> {
  /**
   * A column of a result.
   *
   * @param name its name
   * @param type as declared; null for an expression
   */
  public record Column(String name, String type) {
    static Column of(Object found) {
      Answer column = Answer.of(found);
      return new Column(column.text("name"), column.text("type"));
    }

    /**
     * Whether its type has REAL affinity, by SQLite's rules (https://sqlite.org/datatype3.html,
     * 3.1).
     */
    boolean isReal() {
      if (type == null) return false;
      String name = type.toUpperCase(Locale.ROOT);
      return Stream.of("INT", "CHAR", "CLOB", "TEXT", "BLOB").noneMatch(name::contains)
          && Stream.of("REAL", "FLOA", "DOUB").anyMatch(name::contains);
    }
  }

  static Result of(Object found) {
    Answer answer = Answer.of(found);
    List<Column> columns = answer.list("columns", Column::of);
    if (columns == null) columns = List.of();
    return new Result(
        columns, rowsOf(columns, answer), answer.whole("changes", 0), answer.isTrue("truncated"));
  }

  static List<Row> rowsOf(List<Column> columns, Answer answer) {
    Map<String, Integer> places = new HashMap<>();
    boolean[] isReal = new boolean[columns.size()];
    for (int at = 0; at < columns.size(); at++) {
      places.put(columns.get(at).name(), at);
      isReal[at] = columns.get(at).isReal();
    }
    List<Row> rows =
        answer.list(
            "rows", found -> new Row("the result", places, mended((List<?>) found, isReal)));
    return rows == null ? List.of() : rows;
  }

  /** JSON does not tell 2.0 from 2, but a column declared REAL holds no integers. */
  private static List<Object> mended(List<?> values, boolean[] isReal) {
    List<Object> mended = new ArrayList<>(values);
    for (int at = 0; at < isReal.length; at++) {
      if (isReal[at] && mended.get(at) instanceof Long whole) mended.set(at, whole.doubleValue());
    }
    return mended;
  }

  /**
   * The only row.
   *
   * @return the row
   * @throws IllegalStateException if there are none, or several
   */
  public Row one() {
    if (rows.size() != 1)
      throw new IllegalStateException("one row was wanted, " + rows.size() + " are there");
    return rows.get(0);
  }

  @Override
  public Iterator<Row> iterator() {
    return rows.iterator();
  }
}
