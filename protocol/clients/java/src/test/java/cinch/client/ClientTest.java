package cinch.client;

import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Tests against a real daemon, each with a project of its own. The program ends with 1 where one
 * fails.
 */
public final class ClientTest {
  private static final String ENDLESS =
      "with recursive n(a) as (select 1 union all select a + 1 from n) select count(*) from n";

  private interface Test {
    void run(TestProject project, Client db) throws Exception;
  }

  private ClientTest() {}

  /**
   * Runs all tests.
   *
   * @param arguments none
   * @throws Exception if there is no project to be made
   */
  public static void main(String[] arguments) throws Exception {
    int failures = 0;
    failures += run("every value arrives and comes back as it is", ClientTest::values);
    failures += run("what is no value is refused before it is sent", ClientTest::refusedValues);
    failures += run("a value of another kind is not read", ClientTest::kinds);
    failures += run("a refusal is of its kind and family", ClientTest::refusals);
    failures += run("scopes go their own ways", ClientTest::scopes);
    failures += run("what is left out is not null", ClientTest::absentAndNull);
    failures += run("a long result is read to its end", ClientTest::cursors);
    failures += run("a batch is whole or nothing", ClientTest::batches);
    failures += run("a transaction is whole or nothing", ClientTest::transactions);
    failures += run("keys hold what was put there", ClientTest::keyValues);
    failures += run("a future that is cancelled cancels its call", ClientTest::cancellation);
    failures += run("a thread that is interrupted cancels its call", ClientTest::interruption);
    failures += run("a call is given up after its time", ClientTest::timeouts);
    failures += run("many calls are under way at a time", ClientTest::manyCalls);
    failures += run("what follows a future may call again", ClientTest::chained);
    failures += run("progress is reported", ClientTest::progress);
    failures +=
        run("a lost connection is made anew unless something was open", ClientTest::reconnect);
    failures += run("a daemon of one's own speaks over pipes", ClientTest::stdio);
    failures += run("where there is no project, that is said", ClientTest::noProject);
    failures += run("a message that is too large fails alone", ClientTest::tooLarge);
    failures += run("a command line is cut at blanks outside of quotes", ClientTest::commands);
    if (failures > 0) System.exit(1);
  }

  private static int run(String name, Test test) throws Exception {
    try (TestProject project = new TestProject();
        Client db = project.connect()) {
      test.run(project, db);
      System.out.println("ok " + name);
      return 0;
    } catch (AssertionError | RuntimeException error) {
      System.out.println("FAIL " + name);
      error.printStackTrace();
      return 1;
    }
  }

  private static void values(TestProject project, Client db) {
    Object[] values = {
      null,
      0L,
      1L << 53,
      Long.MAX_VALUE,
      Long.MIN_VALUE,
      0.1,
      4.9e-324,
      Double.MAX_VALUE,
      1e17,
      -0.0,
      Double.POSITIVE_INFINITY,
      Double.NEGATIVE_INFINITY,
      "",
      "ä€😀\u2028\0\n\"\\<",
      "{\"$int\": \"1\"}"
    };
    for (Object value : values) {
      equal(db.query("select ?", value).one().get(0), value);
      equal(db.query("select :a as a", Collections.singletonMap("a", value)).one().get("a"), value);
    }
    for (byte[] blob : new byte[][] {{}, {0, -1, 10}}) {
      isTrue(Arrays.equals(blob, (byte[]) db.query("select ?", blob).one().get(0)));
    }
    Row types =
        db.query("select typeof(?), typeof(?), typeof(?), typeof(?)", 2.0, 2f, (byte) 3, true)
            .one();
    equal(types.toList(), List.of("real", "real", "integer", "integer"));
    equal(db.query("select ?", BigInteger.TWO.pow(62)).one().get(0), 1L << 62);
    Instant time = Instant.parse("2026-01-02T03:04:05.678912Z");
    equal(db.query("select ?", time).one().get(0), "2026-01-02T03:04:05.678Z");
    equal(
        db.query("select ? as at", time).one().getInstant("at"),
        Instant.parse("2026-01-02T03:04:05.678Z"));

    createTable(db, new Api.ColumnSpec("r", "REAL"), new Api.ColumnSpec("f", "BOOLEAN"));
    db.row().insert("t", List.of(Map.of("r", 2.0, "f", true))).execute();
    equal(db.query("select r, f, typeof(r) from t").one().toList(), List.of(2.0, true, "real"));
  }

  private static void refusedValues(TestProject project, Client db) {
    Object[] values = {
      Double.NaN, "\ud800", "x\udc00", BigInteger.TWO.pow(63), new Object(), Map.of(1, 2)
    };
    for (Object value : values)
      throwing(IllegalArgumentException.class, () -> db.query("select ?", value, 1));
    Api.ColumnSpec column = new Api.ColumnSpec("a", "INTEGER").default_(1L << 53);
    throwing(IllegalArgumentException.class, () -> createTable(db, column));
  }

  private static void kinds(TestProject project, Client db) {
    Row row = db.query("select 1 as i, 'a' as t, null as n, 1.5 as r, x'00' as b, 2.0 as w").one();
    equal(row.getLong("i"), 1L);
    equal(row.getString("t"), "a");
    equal(row.getString("n"), null);
    equal(row.getDouble("r"), 1.5);
    equal(row.getDouble("w"), 2.0);
    equal(row.getBytes("b").length, 1);
    IllegalStateException error = throwing(IllegalStateException.class, () -> row.getLong("t"));
    equal(error.getMessage(), "the result.t holds a text, not an integer");
    throwing(IllegalStateException.class, () -> row.getLong("r"));
    throwing(IllegalStateException.class, () -> row.getString("b"));
    throwing(IllegalStateException.class, () -> row.getInstant("t"));
    throwing(IllegalStateException.class, () -> row.notNull("n"));
    throwing(java.util.NoSuchElementException.class, () -> row.get("x"));
  }

  private static void refusals(TestProject project, Client db) {
    CinchException.NotFound error =
        throwing(CinchException.NotFound.class, () -> db.table().get("nowhere").execute());
    equal(error.code(), 1200);
    equal(error.kind(), Api.Kind.TABLE_NOT_FOUND);
    equal(error.data().get("table"), "nowhere");
    isTrue(error.getMessage().contains("tableNotFound 1200"));
    isTrue(Arrays.toString(error.getStackTrace()).contains("ClientTest.refusals"));
    db.tenant().create("acme").execute();
    throwing(CinchException.Exists.class, () -> db.tenant().create("acme").execute());
    CinchException unknown = throwing(CinchException.class, () -> db.call("no.such", Map.of()));
    equal(unknown.kind(), Api.Kind.METHOD_NOT_FOUND);
  }

  private static void scopes(TestProject project, Client db) {
    createTable(db, new Api.ColumnSpec("a", "INTEGER"));
    db.tenant().create("acme").execute();
    Client acme = db.withTenant("acme");
    acme.execute("insert into t values (1), (2)");
    equal(count(acme), 2L);
    equal(count(db), 0L);
    equal(acme.tenant().get().execute().name(), "acme");
    db.branch().create("next").execute();
    Client next = acme.withBranch("next");
    next.execute("delete from t");
    equal(count(next), 0L);
    equal(count(acme), 2L);
    acme.close();
    equal(count(db), 0L);
    throwing(CinchException.NotFound.class, () -> db.withDatabase("nowhere").query("select 1"));
    equal(((Map<?, ?>) acme.call("session.setScope", Map.of())).get("tenant"), "acme");
  }

  private static void absentAndNull(TestProject project, Client db) {
    createTable(
        db, new Api.ColumnSpec("a", "INTEGER").default_(7), new Api.ColumnSpec("b", "INTEGER"));
    db.row().insert("t", List.of(Map.of("b", 1), Collections.singletonMap("a", null))).execute();
    equal(
        db.query("select a from t order by rowid").rows().stream().map(row -> row.get(0)).toList(),
        Arrays.asList(7L, null));
    db.column().alter("t", "a").default_(null).execute();
    Api.Column column = db.table().get("t").execute().columns().get(0);
    isTrue(column.more().get("default") == null);
  }

  private static void cursors(TestProject project, Client db) {
    String sql =
        "with recursive n(a) as (select 1 union all select a + 1 from n where a < ?) select a, a /"
            + " 2.0 as b from n";
    for (long count : new long[] {1, 2_000, 2_001, 12_345}) {
      long seen = 0;
      try (Cursor rows = db.cursor(sql, count)) {
        equal(rows.columns().get(1), new Result.Column("b", null));
        for (Row row : rows) equal(row.getLong("a"), ++seen);
        isTrue(!rows.isTruncated());
      }
      equal(seen, count);
    }
    // Left before its end, it keeps nothing: more than a session may have are opened one after the
    // other.
    for (int each = 0; each < 12; each++) {
      try (Cursor rows = db.cursor(sql, 5_000)) {
        rows.next();
      }
    }
    equal(db.project().stats().execute().cursors(), 0L);
    throwing(CinchException.class, () -> db.cursor("select * from nowhere"));
  }

  private static void batches(TestProject project, Client db) {
    createTable(db, new Api.ColumnSpec("a", "INTEGER").unique(true));
    List<Result> results =
        db.batch(
            List.of(
                Statement.of("insert into t values (?)", 1),
                Statement.of("insert into t values (2) returning a")));
    equal(results.get(0).changes(), 1L);
    equal(results.get(1).one().get("a"), 2L);
    throwing(
        CinchException.ConstraintFailed.class,
        () ->
            db.batch(
                List.of(
                    Statement.of("insert into t values (3)"),
                    Statement.of("insert into t values (1)"))));
    equal(count(db), 2L);
  }

  private static void transactions(TestProject project, Client db) {
    createTable(db, new Api.ColumnSpec("a", "INTEGER").unique(true));
    db.transact(
        tx -> {
          tx.execute("insert into t values (?)", 1);
          tx.kv().set("k", 2.0).execute();
          equal(count(tx), 1L);
        });
    equal(db.compute(ClientTest::count), 1L);
    IllegalStateException stop = new IllegalStateException("stop");
    IllegalStateException stopped =
        throwing(
            IllegalStateException.class,
            () ->
                db.transact(
                    tx -> {
                      tx.row().insert("t", List.of(Map.of("a", 2))).execute();
                      throw stop;
                    }));
    isTrue(stopped == stop);
    equal(count(db), 1L);
    equal(db.kv().get("k").execute().value(), 2.0);

    try (Transaction tx = db.begin()) {
      tx.execute("insert into t values (5)");
      throwing(IllegalStateException.class, () -> tx.tenant().create("acme").execute());
      throwing(IllegalStateException.class, () -> tx.withTenant("acme"));
      throwing(CinchException.ConstraintFailed.class, () -> tx.execute("insert into t values (1)"));
      equal(count(tx.withTimeout(Duration.ofSeconds(60))), 2L);
    }
    equal(count(db), 1L);
    // A thread that is interrupted rolls back all the same.
    throwing(
        IllegalStateException.class,
        () ->
            db.transact(
                tx -> {
                  tx.execute("insert into t values (7)");
                  Thread.currentThread().interrupt();
                  throw stop;
                }));
    isTrue(Thread.interrupted());
    // Another one has its turn, and sees nothing of it.
    db.withTimeout(Duration.ofSeconds(30)).transact(tx -> equal(count(tx), 1L));
    Transaction reading =
        db.begin(new TransactionOptions().readOnly().idle(Duration.ofSeconds(30)));
    CinchException refusal = throwing(CinchException.class, () -> reading.execute("delete from t"));
    equal(refusal.kind(), Api.Kind.TRANSACTION_READ_ONLY);
    reading.rollback();
    reading.rollback();
    CinchException over = throwing(CinchException.class, () -> reading.query("select 1"));
    equal(over.kind(), Api.Kind.TRANSACTION_ENDED);
  }

  private static void keyValues(TestProject project, Client db) {
    db.kv().set("k", Map.of("list", List.of(1L << 60, 2.0, "a"))).execute();
    Api.KvFound found = db.kv().get("k").execute();
    equal(found.value(), Map.of("list", List.of(1L << 60, 2.0, "a")));
    equal(db.kv().get("x").execute(), new Api.KvFound(false, null, null));
    isTrue(!db.kv().set("k", null).ifVersion(99).execute().set());
    equal(db.kv().increment("n").by(Long.MAX_VALUE).execute().value(), Long.MAX_VALUE);
    equal(db.kv().keys().pattern("*").execute().keys(), List.of("k", "n"));
    equal(db.kv().ttl("k").execute().ttlMs(), null);
    equal(db.kv().delete(List.of("k", "n", "x")).execute().count(), 2L);
  }

  private static void cancellation(TestProject project, Client db) throws Exception {
    CompletableFuture<Result> future = db.queryAsync(ENDLESS);
    waitForCalls(db, 1);
    isTrue(future.cancel(true));
    throwing(CancellationException.class, future::join);
    waitForCalls(db, 0);
    CompletableFuture<Result> late = db.queryAsync(ENDLESS).orTimeout(200, TimeUnit.MILLISECONDS);
    isTrue(failure(late) instanceof java.util.concurrent.TimeoutException);
    waitForCalls(db, 0);
    equal(db.queryAsync("select 1").get().one().get(0), 1L);
    isTrue(failure(db.queryAsync("select * from nowhere")) instanceof CinchException);
  }

  private static void interruption(TestProject project, Client db) throws Exception {
    AtomicReference<Throwable> thrown = new AtomicReference<>();
    AtomicReference<Boolean> wasInterrupted = new AtomicReference<>();
    Thread thread =
        new Thread(
            () -> {
              try {
                db.query(ENDLESS);
              } catch (RuntimeException error) {
                thrown.set(error);
                wasInterrupted.set(Thread.currentThread().isInterrupted());
              }
            });
    thread.start();
    waitForCalls(db, 1);
    thread.interrupt();
    thread.join();
    isTrue(thrown.get() instanceof CinchException.Cancelled);
    isTrue(wasInterrupted.get());
    waitForCalls(db, 0);
    equal(db.query("select 1").one().get(0), 1L);
  }

  private static void timeouts(TestProject project, Client db) throws Exception {
    Client hasty = db.withTimeout(Duration.ofMillis(200));
    throwing(CinchException.TimedOut.class, () -> hasty.query(ENDLESS));
    isTrue(failure(hasty.queryAsync(ENDLESS)) instanceof CinchException.TimedOut);
    equal(db.query("select 1").one().get(0), 1L);
  }

  private static void manyCalls(TestProject project, Client db) throws Exception {
    createTable(db, new Api.ColumnSpec("a", "INTEGER"));
    List<CompletableFuture<Result>> futures = new ArrayList<>();
    for (int each = 0; each < 200; each++)
      futures.add(db.executeAsync("insert into t values (?)", each));
    List<Thread> threads = new ArrayList<>();
    for (int each = 0; each < 20; each++) {
      Thread thread = new Thread(() -> db.execute("insert into t values (1000)"));
      threads.add(thread);
      thread.start();
    }
    for (CompletableFuture<Result> future : futures) equal(future.get().changes(), 1L);
    for (Thread thread : threads) thread.join();
    equal(db.query("select count(*), sum(a) from t").one().toList(), List.of(220L, 39_900L));
  }

  private static void chained(TestProject project, Client db) throws Exception {
    CompletableFuture<Object> chained =
        db.queryAsync("select 1").thenApply(result -> db.query("select 2").one().get(0));
    equal(chained.get(20, TimeUnit.SECONDS), 2L);
  }

  private static void progress(TestProject project, Client db) throws Exception {
    createTable(db, new Api.ColumnSpec("a", "INTEGER"));
    db.execute(
        "with recursive n(a) as (select 1 union all select a + 1 from n where a < 50000) insert"
            + " into t select a from n");
    Path folder = Files.createTempDirectory(project.folder, "out");
    List<Map<String, Object>> told = Collections.synchronizedList(new ArrayList<>());
    db.withProgress(told::add)
        .tenant()
        .export(folder.resolve("t.csv").toString())
        .table("t")
        .execute();
    isTrue(!told.isEmpty());
    IllegalStateException stop = new IllegalStateException("stop");
    Client failing =
        db.withProgress(
            value -> {
              throw stop;
            });
    IllegalStateException stopped =
        throwing(
            IllegalStateException.class,
            () -> failing.tenant().export(folder.resolve("u.csv").toString()).table("t").execute());
    isTrue(stopped == stop);
  }

  private static void reconnect(TestProject project, Client db) throws Exception {
    createTable(db, new Api.ColumnSpec("a", "INTEGER"));
    CompletableFuture<Result> underWay = db.queryAsync(ENDLESS);
    waitForCalls(db, 1);
    TestProject.kill(db);
    isTrue(failure(underWay) instanceof ConnectionLostException lost && lost.isOutcomeUnknown());
    equal(count(db), 0L);

    Transaction tx = db.begin();
    TestProject.kill(db);
    throwing(ConnectionLostException.class, () -> tx.query("select 1"));
    ConnectionLostException still =
        throwing(ConnectionLostException.class, () -> db.query("select 1"));
    isTrue(!still.isOutcomeUnknown());
    throwing(ConnectionLostException.class, tx::commit);
    equal(count(db), 0L);

    Cursor cursor = db.cursor("select 1");
    TestProject.kill(db);
    throwing(ConnectionLostException.class, () -> db.query("select 1"));
    cursor.close();
    equal(count(db), 0L);

    db.close();
    throwing(ConnectionLostException.class, () -> db.ping().execute());
    db.close();
    try (Client idle = project.connect()) {
      equal(idle.server().project(), project.folder.toRealPath().toString());
    }
  }

  private static void stdio(TestProject project, Client db) {
    try (Client own = new Connector().project(project.folder).tenant("main").connectStdio()) {
      equal(own.query("select 1").one().get(0), 1L);
      isTrue(own.server().capabilities().size() > 0);
    }
  }

  private static void noProject(TestProject project, Client db) {
    Path nowhere = project.folder.resolve("nowhere");
    CinchException.NotFound error =
        throwing(CinchException.NotFound.class, () -> Client.connect(nowhere));
    equal(error.kind(), Api.Kind.PROJECT_NOT_FOUND);
    equal(Connector.findProject(nowhere.resolve("deep")), project.folder);
    try (TestProject quiet = new TestProject()) {
      throwing(
          ConnectionLostException.class,
          () -> new Connector().project(quiet.folder).start(false).connect());
      List<String> failing =
          List.of("node", "-e", "console.error('no such luck'); process.exit(3)", "--");
      Connector broken = new Connector().project(quiet.folder).command(failing);
      ConnectionLostException ended = throwing(ConnectionLostException.class, broken::connect);
      isTrue(ended.getMessage().contains("ended with 3: no such luck"));
    } catch (java.io.IOException | InterruptedException failure) {
      throw new IllegalStateException(failure);
    }
  }

  private static void tooLarge(TestProject project, Client db) throws Exception {
    CompletableFuture<Result> large = db.queryAsync("select ?", "x".repeat(70_000_000));
    CompletableFuture<Result> small = db.queryAsync("select 1");
    isTrue(failure(large) instanceof CinchException.LimitReached);
    equal(small.get().one().get(0), 1L);
  }

  private static void commands(TestProject project, Client db) {
    equal(Daemon.split(" a 'b c' \"d\" e''f \"\" "), List.of("a", "b c", "d", "ef", ""));
    throwing(IllegalArgumentException.class, () -> Daemon.split("a 'b"));
  }

  private static void createTable(Client db, Api.ColumnSpec... columns) {
    db.table().create("t", List.of(columns)).systemColumns(false).execute();
  }

  private static long count(Client db) {
    return db.query("select count(*) as n from t").one().getLong("n");
  }

  /** Waits until so many calls, besides the one that asks, are not answered. */
  private static void waitForCalls(Client db, long count) {
    long giveUpAt = System.nanoTime() + Duration.ofSeconds(60).toNanos();
    while (db.project().stats().execute().inFlight() != count + 1) {
      if (System.nanoTime() > giveUpAt)
        throw new AssertionError("there never were " + count + " calls under way");
    }
  }

  private static Throwable failure(CompletableFuture<?> future) throws InterruptedException {
    try {
      throw new AssertionError("it gave " + future.get());
    } catch (ExecutionException error) {
      return error.getCause();
    }
  }

  private static <E extends RuntimeException> E throwing(Class<E> type, Runnable work) {
    try {
      work.run();
    } catch (RuntimeException error) {
      if (type.isInstance(error)) return type.cast(error);
      throw error;
    }
    throw new AssertionError("no " + type.getSimpleName() + " was thrown");
  }

  private static void equal(Object found, Object wanted) {
    if (!java.util.Objects.equals(found, wanted))
      throw new AssertionError(found + " was found, " + wanted + " was wanted");
  }

  private static void isTrue(boolean condition) {
    if (!condition) throw new AssertionError("it does not hold");
  }
}
