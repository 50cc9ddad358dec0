package cinch.client;

import java.util.List;
import java.util.function.Function;

/**
 * A view whose rows have a type. Generated code builds on it.
 *
 * @param <R> the type of its rows
 */
public class TypedView<R> {
  private final Client client;
  private final String name;
  private final String quoted;
  private final Function<Row, R> read;

  /**
   * A view as seen by a client.
   *
   * @param client a client, or a transaction
   * @param name of the view
   * @param quoted the same as SQL has it
   * @param read makes a row of what the daemon sends
   */
  protected TypedView(Client client, String name, String quoted, Function<Row, R> read) {
    this.client = client;
    this.name = name;
    this.quoted = quoted;
    this.read = read;
  }

  /**
   * Lists rows, up to the daemon's limit of a result.
   *
   * @return the rows, in the view's order
   */
  public final List<R> list() {
    List<Row> rows = client.query("select * from " + quoted).rows();
    return rows.stream().map(row -> read.apply(Row.of(name, row.toMap()))).toList();
  }

  /**
   * Counts all rows.
   *
   * @return how many there are
   */
  public final long count() {
    return client.query("select count(*) as rows from " + quoted).one().getLong("rows");
  }
}
