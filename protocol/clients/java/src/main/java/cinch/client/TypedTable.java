package cinch.client;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/**
 * A table whose rows have a type. Generated code builds on it, and shows of the protected methods
 * what its table can do.
 *
 * @param <R> the type of its rows
 */
public class TypedTable<R> {
  private final Client client;
  private final String name;
  private final Function<Row, R> read;

  /**
   * A table as seen by a client.
   *
   * @param client a client, or a transaction
   * @param name of the table
   * @param read makes a row of what the daemon sends
   */
  protected TypedTable(Client client, String name, Function<Row, R> read) {
    this.client = client;
    this.name = name;
    this.read = read;
  }

  /**
   * Lists rows. Without a limit of its own, the daemon's holds: 1,000 rows.
   *
   * @return the rows, by their primary key
   */
  public final List<R> list() {
    return list(new Listing());
  }

  /**
   * Lists rows that meet a condition, in an order.
   *
   * @param listing which rows
   * @return the rows
   */
  public final List<R> list(Listing listing) {
    return rows("row.list", listing.fields());
  }

  /**
   * Counts all rows.
   *
   * @return how many there are
   */
  public final long count() {
    return count(Map.of());
  }

  /**
   * Counts rows that meet a condition.
   *
   * @param where such as {@code Map.of("age", Map.of("gte", 18))}
   * @return how many there are
   */
  public final long count(Map<String, ?> where) {
    return client.ask(
        "row.count", params("where", where), found -> Answer.of(found).whole("count"));
  }

  /**
   * Inserts rows: all or none.
   *
   * @param rows to insert
   * @return the rows as they are stored
   */
  protected final List<R> store(List<? extends Shape> rows) {
    return rows.isEmpty() ? List.of() : rows("row.insert", Map.of("rows", rows));
  }

  /**
   * Updates rows, each found by the key it carries: all or none.
   *
   * @param rows to update
   * @return the rows as they are stored
   */
  protected final List<R> change(List<? extends Shape> rows) {
    return rows.isEmpty() ? List.of() : rows("row.update", Map.of("rows", rows));
  }

  /**
   * Gets the row of a primary key.
   *
   * @param key its value, or a map of its columns
   * @return the row, if there is one
   */
  protected final Optional<R> find(Object key) {
    return client.ask(
        "row.get",
        params("id", key),
        found -> Optional.ofNullable(Answer.of(found).any("row")).map(this::row));
  }

  /**
   * Deletes the row of a primary key.
   *
   * @param key its value, or a map of its columns
   */
  protected final void remove(Object key) {
    client.ask("row.delete", params("ids", List.of(key)), found -> found);
  }

  private List<R> rows(String method, Map<String, ?> params) {
    Map<String, Object> asked = new LinkedHashMap<>(params);
    asked.put("table", name);
    // Rows are read by the caller, so that what is wrong with one is thrown where it was asked for.
    List<?> found =
        client.ask(method, asked, answer -> Answer.of(answer).list("rows", each -> each));
    List<R> rows = new ArrayList<>(found.size());
    for (Object each : found) rows.add(row(each));
    return rows;
  }

  private R row(Object found) {
    return read.apply(Row.of(name, (Map<?, ?>) found));
  }

  private Map<String, Object> params(String param, Object value) {
    Map<String, Object> params = new LinkedHashMap<>();
    params.put("table", name);
    params.put(param, value);
    return params;
  }
}
