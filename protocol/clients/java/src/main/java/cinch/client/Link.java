package cinch.client;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;

/** A connection that is made anew when it was lost, unless something was open on it. */
final class Link {
  static final String VERSION = "0.1.0";
  static final String PROTOCOL_VERSION = "1.0";
  static final Duration START = Duration.ofSeconds(20);

  private final Supplier<Connection> dial;
  private final boolean mayRedial;
  private final Map<String, ScopeNames> discovered = new ConcurrentHashMap<>();
  private Connection connection;
  private Server server;
  private boolean isClosed;

  /**
   * Connects.
   *
   * @param mayRedial whether there may be another connection, when this one is lost
   */
  Link(Supplier<Connection> dial, boolean mayRedial) {
    this.dial = dial;
    this.mayRedial = mayRedial;
    this.connection = establish();
  }

  /** The connection that there is, or a new one. */
  synchronized Connection connection() {
    boolean isWanting = connection.isLost() && !isClosed && mayRedial && connection.open.get() == 0;
    if (isWanting) {
      discovered.clear();
      connection = establish();
    }
    return connection;
  }

  synchronized Server server() {
    return server;
  }

  synchronized void close() {
    isClosed = true;
    connection.close();
  }

  /**
   * By which parameters a method is told its scope, which for one of a plugin only the daemon
   * knows.
   */
  ScopeNames scopeNames(Connection on, String method) {
    ScopeNames known = Api.scopeNames(method);
    if (known == null) known = discovered.get(method);
    if (known != null) return known;
    List<Answer> methods = ask(on, "rpc.discover", Map.of(), START).list("methods", Answer::of);
    for (Answer each : methods) discovered.put(each.text("name"), ScopeNames.of(each));
    return discovered.getOrDefault(method, ScopeNames.NONE);
  }

  private Connection establish() {
    long giveUpAt = System.nanoTime() + START.toNanos();
    while (true) {
      Connection dialled = dial.get();
      try {
        server = greet(dialled);
        return dialled;
      } catch (ConnectionLostException | CinchException error) {
        dialled.close();
        // One that was just stopping: there will be another.
        boolean isStopping =
            error instanceof ConnectionLostException
                || error instanceof CinchException refusal
                    && refusal.kind().equals(Api.Kind.SHUTTING_DOWN);
        if (!mayRedial || !isStopping || System.nanoTime() > giveUpAt) throw error;
      }
    }
  }

  /** Agrees with the daemon on a version of the protocol. The scope is sent with each call. */
  private static Server greet(Connection on) {
    Map<String, Object> params = new LinkedHashMap<>();
    params.put("client", Map.of("name", "cinch-java", "version", VERSION));
    params.put("protocolVersion", PROTOCOL_VERSION);
    Server server = Server.of(ask(on, "initialize", params, START));
    checkVersion(server.protocolVersion());
    return server;
  }

  private static Answer ask(
      Connection on, String method, Map<String, Object> params, Duration limit) {
    Call<Answer> call = new Call<>(on.nextId(), method, params, Answer::of, null, Runnable::run);
    on.send(call);
    return on.await(call, limit);
  }

  static void checkVersion(String spoken) {
    if (spoken.split("\\.")[0].equals(PROTOCOL_VERSION.split("\\.")[0])) return;
    Map<String, Object> data = Map.of("client", PROTOCOL_VERSION, "daemon", spoken);
    throw new CinchException.Refusal(
            1005,
            Api.Kind.VERSION_MISMATCH,
            "Client and daemon speak different protocol versions",
            "cinch daemon restart starts the installed version",
            data)
        .exception();
  }
}
