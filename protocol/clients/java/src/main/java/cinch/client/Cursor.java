package cinch.client;

import java.util.ArrayDeque;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Queue;

/**
 * Rows of a result that are fetched while they are taken. For one thread at a time. It closes
 * itself with its last row; one that is left before has to be closed.
 */
public final class Cursor implements Iterator<Row>, Iterable<Row>, AutoCloseable {
  private static final int ROWS = 2_000;

  private final Client client;
  private final Connection on;
  private final String id;
  private final List<Result.Column> columns;
  private final Queue<Row> rows = new ArrayDeque<>();
  private boolean isOver;
  private boolean isTruncated;

  Cursor(Client client, Connection on, Answer opened) {
    this.client = client;
    this.on = on;
    this.id = opened.text("cursor");
    this.columns = opened.list("columns", Result.Column::of);
    on.open.incrementAndGet();
  }

  /**
   * The columns of the result; names may repeat.
   *
   * @return names and types
   */
  public List<Result.Column> columns() {
    return columns;
  }

  /**
   * Whether the daemon's limit cut the result; told once all rows were taken.
   *
   * @return true if there were more
   */
  public boolean isTruncated() {
    return isTruncated;
  }

  @Override
  public Iterator<Row> iterator() {
    return this;
  }

  @Override
  public boolean hasNext() {
    while (rows.isEmpty() && !isOver) fetch();
    return !rows.isEmpty();
  }

  @Override
  public Row next() {
    if (!hasNext()) throw new NoSuchElementException("there are no more rows");
    return rows.remove();
  }

  /** Ends the reading, be all rows taken or not. */
  @Override
  public void close() {
    rows.clear();
    // Whatever comes of it, it is gone; a thread that is interrupted closes it all the same.
    if (!end()) return;
    client
        .askAsyncOn(on, "query.close", Map.of("cursor", id), found -> found)
        .handle((closed, error) -> closed)
        .join();
  }

  private void fetch() {
    try {
      Answer answer =
          client.askOn(on, "query.fetch", Map.of("cursor", id, "count", ROWS), Answer::of);
      rows.addAll(Result.rowsOf(columns, answer));
      isTruncated = answer.isTrue("truncated");
      if (answer.isTrue("done")) end();
    } catch (CinchException.TimedOut | CinchException.Cancelled error) {
      // The cursor is where it was.
      throw error;
    } catch (CinchException | ConnectionLostException error) {
      end();
      throw error;
    }
  }

  /** Tells whether this was the first to end it. */
  private boolean end() {
    if (isOver) return false;
    isOver = true;
    on.open.decrementAndGet();
    return true;
  }
}
