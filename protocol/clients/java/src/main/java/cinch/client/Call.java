package cinch.client;

import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * A call on its way. What its answer leads to runs on an executor of its own, since the thread that
 * reads answers may not wait for anything.
 */
final class Call<T> {
  private static final Set<String> PLAIN =
      Set.of("branch", "column", "index", "plugin", "schema", "table", "view");

  final long id;
  final String method;
  final byte[] data;

  /** Whoever sets it first, the writer or a caller who gave up, settles whether it is sent. */
  final AtomicBoolean isTaken = new AtomicBoolean();

  final CompletableFuture<T> future = new CompletableFuture<>();
  private final Function<Object, T> decode;
  private final Consumer<Map<String, Object>> listener;
  private final Executor executor;
  private volatile boolean isAnswered;
  private CompletableFuture<Void> reports = CompletableFuture.completedFuture(null);

  Call(
      long id,
      String method,
      Map<String, Object> params,
      Function<Object, T> decode,
      Consumer<Map<String, Object>> listener,
      Executor executor) {
    this.id = id;
    this.method = method;
    // In what describes a schema, a value is a definition and goes as plain JSON.
    boolean isTagged = !PLAIN.contains(method.split("\\.", 2)[0]);
    String head =
        "{\"jsonrpc\":\"2.0\",\"id\":"
            + id
            + ",\"method\":"
            + Json.write(method, false)
            + ",\"params\":";
    this.data = (head + Json.write(params, isTagged) + "}\n").getBytes(StandardCharsets.UTF_8);
    this.decode = decode;
    this.listener = listener;
    this.executor = executor;
  }

  /** Whether it was answered, or its connection lost: nothing is left to be cancelled. */
  boolean isAnswered() {
    return isAnswered;
  }

  /** Progress is reported in order, and a listener that fails is what the call fails with. */
  void progressed(Map<String, Object> value) {
    if (listener == null) return;
    reports = reports.thenRunAsync(() -> listener.accept(value));
    reports.exceptionally(
        error -> {
          future.completeExceptionally(error.getCause());
          return null;
        });
  }

  void answer(Object result) {
    settle(
        () -> {
          try {
            future.complete(decode.apply(result));
          } catch (RuntimeException error) {
            future.completeExceptionally(error);
          }
        });
  }

  void fail(RuntimeException error) {
    settle(() -> future.completeExceptionally(error));
  }

  /** The connection is lost. */
  void lose(String reason) {
    fail(
        isTaken.get()
            ? new ConnectionLostException(reason, method)
            : new ConnectionLostException(reason));
  }

  private void settle(Runnable work) {
    isAnswered = true;
    if (listener == null) executor.execute(work);
    else reports.whenCompleteAsync((nothing, error) -> work.run());
  }
}
