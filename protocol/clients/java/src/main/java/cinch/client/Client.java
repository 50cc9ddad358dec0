package cinch.client;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * A connection to a daemon, seen from one scope. It can be shared by threads, whose calls overlap.
 * {@code with…} gives another view of the same connection; it is closed by the client that was
 * connected.
 *
 * <p>The daemon's methods are there by their nouns, as {@link Request requests}: {@code
 * db.tenant().create("acme").execute()}; {@link #call} reaches any by its name.
 *
 * <p>A connection that is lost fails the calls under way, whose outcome nobody knows then. The next
 * call connects again, unless a transaction or a cursor is open: that has to be closed first.
 */
public sealed class Client extends Api implements AutoCloseable permits Transaction {
  /** What the daemon takes for {@code timeoutMs}. */
  private static final long MAX_TIMEOUT_MS = 600_000;

  /** How much longer than the daemon this side waits for it to say that it is too late. */
  private static final Duration GRACE = Duration.ofSeconds(10);

  private final View view;

  /** What a client is a view of, and how. */
  record View(
      Link link,
      String database,
      String branch,
      String tenant,
      Running transaction,
      Duration timeout,
      Consumer<Map<String, Object>> listener,
      boolean isOwner) {
    View within(Running begun) {
      return new View(link, database, branch, tenant, begun, timeout, listener, false);
    }
  }

  /** A transaction that was begun, on the connection that it lives and dies with. */
  record Running(String id, Connection connection) {}

  Client(View view) {
    this.view = view;
  }

  /**
   * Connects to the project of the working directory, or of {@code CINCH_PROJECT}, starting its
   * daemon where none runs.
   *
   * @return a client to be closed
   */
  public static Client connect() {
    return new Connector().connect();
  }

  /**
   * The same for a project of one's own choice.
   *
   * @param project its folder
   * @return a client to be closed
   */
  public static Client connect(Path project) {
    return new Connector().project(project).connect();
  }

  /**
   * What the daemon said of itself when it was connected to.
   *
   * @return its version, and what it can do
   */
  public final Server server() {
    return view.link.server();
  }

  /**
   * A view of this connection whose calls go to another database.
   *
   * @param name of the database
   * @return the view, which needs no closing
   */
  public final Client withDatabase(String name) {
    return scoped(name, view.branch, view.tenant);
  }

  /**
   * A view of this connection whose calls go to another branch.
   *
   * @param name of the branch
   * @return the view, which needs no closing
   */
  public final Client withBranch(String name) {
    return scoped(view.database, name, view.tenant);
  }

  /**
   * A view of this connection whose calls go to another tenant.
   *
   * @param name of the tenant
   * @return the view, which needs no closing
   */
  public final Client withTenant(String name) {
    return scoped(view.database, view.branch, name);
  }

  /**
   * A view whose calls are given up by the daemon after so long, with {@link
   * CinchException.TimedOut}.
   *
   * @param limit of each call
   * @return the view, which needs no closing
   */
  public final Client withTimeout(Duration limit) {
    View of = view;
    return new Client(
        new View(
            of.link, of.database, of.branch, of.tenant, of.transaction, limit, of.listener, false));
  }

  /**
   * A view that is told how its calls get on. For each call, in order, but on another thread than
   * the caller's; a listener that throws cancels the call, which fails with what it threw.
   *
   * @param listener takes what the daemon tells
   * @return the view, which needs no closing
   */
  public final Client withProgress(Consumer<Map<String, Object>> listener) {
    View of = view;
    return new Client(
        new View(
            of.link,
            of.database,
            of.branch,
            of.tenant,
            of.transaction,
            of.timeout,
            listener,
            false));
  }

  private Client scoped(String database, String branch, String tenant) {
    if (view.transaction != null) {
      throw new IllegalStateException(
          "a transaction stays in its tenant; take a view of the client that began it");
    }
    return new Client(
        new View(view.link, database, branch, tenant, null, view.timeout, view.listener, false));
  }

  /**
   * Calls any method by its name on the wire.
   *
   * @param method its name
   * @param params by their names; they win over this client's scope
   * @return the result: null, Boolean, Long, Double, String, byte[], and lists and maps of these
   */
  public final Object call(String method, Map<String, ?> params) {
    return ask(method, params, result -> result);
  }

  /**
   * The same without waiting. A future that is cancelled before its answer is there cancels the
   * call at the daemon.
   *
   * @param method its name
   * @param params by their names
   * @return the result
   */
  public final CompletableFuture<Object> callAsync(String method, Map<String, ?> params) {
    return askAsync(method, params, result -> result);
  }

  /**
   * Runs one statement that reads. Beyond the daemon's limit of rows the result is cut; {@link
   * #cursor} reads any number.
   *
   * @param sql the statement
   * @param params by position, or one map of them by name, without the leading {@code :}, {@code @}
   *     or {@code $}
   * @return its rows
   */
  public final Result query(String sql, Object... params) {
    return ask("query.run", statement(sql, params), Result::of);
  }

  /**
   * The same without waiting.
   *
   * @param sql the statement
   * @param params by position, or one map
   * @return its rows
   */
  public final CompletableFuture<Result> queryAsync(String sql, Object... params) {
    return askAsync("query.run", statement(sql, params), Result::of);
  }

  /**
   * Runs one statement that inserts, updates or deletes.
   *
   * @param sql the statement
   * @param params by position, or one map of them by name
   * @return how many rows were changed, and those of RETURNING
   */
  public final Result execute(String sql, Object... params) {
    return ask("query.execute", statement(sql, params), Result::of);
  }

  /**
   * The same without waiting.
   *
   * @param sql the statement
   * @param params by position, or one map
   * @return how many rows were changed, and those of RETURNING
   */
  public final CompletableFuture<Result> executeAsync(String sql, Object... params) {
    return askAsync("query.execute", statement(sql, params), Result::of);
  }

  /**
   * Runs statements in one transaction: all of them or none.
   *
   * @param statements made by {@link Statement#of}
   * @return a result for each
   */
  public final List<Result> batch(List<Statement> statements) {
    List<Object> sent = new ArrayList<>();
    for (Statement each : statements) sent.add(Map.of("sql", each.sql(), "params", each.params()));
    return ask(
        "query.batch",
        Map.of("statements", sent),
        found -> Answer.of(found).list("results", Result::of));
  }

  /**
   * Runs one statement that reads, and takes its rows as they come, however many. It sees what was
   * there when it was opened.
   *
   * @param sql the statement
   * @param params by position, or one map of them by name
   * @return rows that are read to their end, or closed
   */
  public final Cursor cursor(String sql, Object... params) {
    Connection on = connection();
    return new Cursor(this, on, askOn(on, "query.open", statement(sql, params), Answer::of));
  }

  /**
   * Begins a transaction that writes. It waits for its turn.
   *
   * @return a transaction to be closed; without a commit it is rolled back
   */
  public final Transaction begin() {
    return begin(new TransactionOptions());
  }

  /**
   * Begins a transaction.
   *
   * @param options how it behaves
   * @return a transaction to be closed; without a commit it is rolled back
   */
  public final Transaction begin(TransactionOptions options) {
    Connection on = connection();
    String id = askOn(on, "transaction.begin", options.fields(), Answer::of).text("transaction");
    on.open.incrementAndGet();
    return new Transaction(view.within(new Running(id, on)));
  }

  /**
   * Does work in a transaction that writes, and commits it. Where the work throws, all of it is
   * rolled back.
   *
   * @param work is given the transaction
   */
  public final void transact(Consumer<Transaction> work) {
    compute(
        tx -> {
          work.accept(tx);
          return null;
        });
  }

  /**
   * The same for work that has a result.
   *
   * @param <T> of that type
   * @param work is given the transaction
   * @return what the work gave
   */
  public final <T> T compute(Function<Transaction, T> work) {
    try (Transaction tx = begin()) {
      T result = work.apply(tx);
      tx.commit();
      return result;
    }
  }

  /**
   * Ends the connection; calls under way fail with {@link ConnectionLostException}. A view closes
   * nothing.
   */
  @Override
  public void close() {
    if (view.isOwner) view.link.close();
  }

  @Override
  final Client self() {
    return this;
  }

  final <T> T ask(String method, Map<String, ?> params, Function<Object, T> decode) {
    return askOn(connection(), method, params, decode);
  }

  final <T> T askOn(
      Connection on, String method, Map<String, ?> params, Function<Object, T> decode) {
    long id = on.nextId();
    Call<T> call =
        new Call<>(
            id, method, completed(on, id, method, params), decode, view.listener, Runnable::run);
    on.send(call);
    return on.await(call, view.timeout == null ? null : view.timeout.plus(GRACE));
  }

  final <T> CompletableFuture<T> askAsync(
      String method, Map<String, ?> params, Function<Object, T> decode) {
    try {
      return askAsyncOn(connection(), method, params, decode);
    } catch (RuntimeException error) {
      return CompletableFuture.failedFuture(error);
    }
  }

  final <T> CompletableFuture<T> askAsyncOn(
      Connection on, String method, Map<String, ?> params, Function<Object, T> decode) {
    long id = on.nextId();
    Map<String, Object> sent = completed(on, id, method, params);
    Call<T> call = new Call<>(id, method, sent, decode, view.listener, ForkJoinPool.commonPool());
    on.send(call);
    if (view.timeout == null) return call.future;
    return call.future.orTimeout(view.timeout.plus(GRACE).toMillis(), TimeUnit.MILLISECONDS);
  }

  final Connection connection() {
    return view.transaction == null ? view.link.connection() : view.transaction.connection;
  }

  /** What is given, and the scope as far as the method takes it. */
  private Map<String, Object> completed(
      Connection on, long id, String method, Map<String, ?> params) {
    Map<String, Object> all = new LinkedHashMap<>(params);
    boolean isScoped =
        view.transaction != null
            || view.database != null
            || view.branch != null
            || view.tenant != null;
    if (isScoped) addScope(all, view.link.scopeNames(on, method), method);
    long limit = view.timeout == null ? 0 : Math.max(1, view.timeout.toMillis());
    if (limit > 0 && limit <= MAX_TIMEOUT_MS) all.putIfAbsent("timeoutMs", limit);
    if (view.listener != null) all.put("progressToken", id);
    return all;
  }

  private void addScope(Map<String, Object> params, ScopeNames names, String method) {
    if (view.transaction != null) {
      if (!names.transaction()) {
        throw new IllegalStateException(
            method + " takes no part in a transaction; call it on the client itself");
      }
      // The transaction tells the tenant.
      params.put("transaction", view.transaction.id);
      return;
    }
    if (names.database() != null && view.database != null)
      params.putIfAbsent(names.database(), view.database);
    if (names.branch() != null && view.branch != null)
      params.putIfAbsent(names.branch(), view.branch);
    if (names.tenant() != null && view.tenant != null)
      params.putIfAbsent(names.tenant(), view.tenant);
  }

  private static Map<String, Object> statement(String sql, Object[] params) {
    Map<String, Object> asked = new LinkedHashMap<>();
    asked.put("sql", sql);
    asked.put("params", paramsOf(params));
    return asked;
  }

  static Object paramsOf(Object[] params) {
    if (params == null) return Collections.singletonList(null);
    return params.length == 1 && params[0] instanceof Map<?, ?> named
        ? named
        : Arrays.asList(params);
  }
}
