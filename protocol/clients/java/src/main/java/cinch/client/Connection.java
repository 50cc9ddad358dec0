package cinch.client;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Messages both ways. One thread reads, so that answers find their calls whatever their order, and
 * one writes what has come together meanwhile: a caller that is interrupted would close the socket.
 */
final class Connection {
  private static final int READ_BYTES = 256 * 1024;
  private static final int WRITE_BYTES = 64 * 1024;
  private static final long STOP_MS = 10_000;
  private static final long CANCEL_MS = 1_000;

  /**
   * Transactions and cursors: while there are any, nobody is given another connection in place of
   * this one.
   */
  final AtomicInteger open = new AtomicInteger();

  private final Stream stream;
  private final AtomicLong lastId = new AtomicLong();
  private final ConcurrentSkipListMap<Long, Call<?>> pending = new ConcurrentSkipListMap<>();
  private final BlockingQueue<Outgoing> outgoing = new LinkedBlockingQueue<>();
  private final Thread reader = new Thread(this::read, "cinch-reader");
  private final Thread writer = new Thread(this::write, "cinch-writer");
  private volatile String lost;

  /** What is to be sent: of a call, unless that was given up, or for itself. */
  private record Outgoing(byte[] data, Call<?> call) {
    boolean take() {
      return call == null || call.isTaken.compareAndSet(false, true);
    }
  }

  Connection(Stream stream) {
    this.stream = stream;
    reader.setDaemon(true);
    writer.setDaemon(true);
    reader.start();
    writer.start();
  }

  long nextId() {
    return lastId.incrementAndGet();
  }

  boolean isLost() {
    return lost != null;
  }

  void send(Call<?> call) {
    pending.put(call.id, call);
    if (lost != null) {
      if (pending.remove(call.id) != null) call.lose(lost);
      return;
    }
    outgoing.add(new Outgoing(call.data, call));
    call.future.whenComplete(
        (value, error) -> {
          if (!call.isAnswered()) cancel(call);
        });
  }

  /**
   * Waits for the answer. A thread that is interrupted asks the daemon to stop, and waits a moment
   * to hear whether it was done all the same.
   *
   * @param limit how long to wait; null: as long as it takes
   */
  <T> T await(Call<T> call, Duration limit) {
    try {
      return limit == null
          ? call.future.get()
          : call.future.get(limit.toMillis(), TimeUnit.MILLISECONDS);
    } catch (ExecutionException error) {
      throw thrown(error.getCause());
    } catch (TimeoutException error) {
      CinchException late =
          CinchException.timedOut(call.method + " was not answered within " + limit);
      call.future.completeExceptionally(late);
      throw late;
    } catch (InterruptedException error) {
      cancel(call);
      try {
        return call.future.orTimeout(CANCEL_MS, TimeUnit.MILLISECONDS).join();
      } catch (CompletionException failed) {
        boolean isUnknown = failed.getCause() instanceof TimeoutException;
        if (!isUnknown) throw thrown(failed.getCause());
        throw CinchException.cancelled(
            "Interrupted; " + call.method + " may or may not have been done");
      } finally {
        Thread.currentThread().interrupt();
      }
    }
  }

  /** An error as the caller sees it: where it was called, not where the answer was read. */
  private static RuntimeException thrown(Throwable cause) {
    if (cause instanceof Error error) throw error;
    boolean isOfDaemon =
        cause instanceof CinchException || cause instanceof ConnectionLostException;
    return (RuntimeException) (isOfDaemon ? cause.fillInStackTrace() : cause);
  }

  /** Asks the daemon to stop a call, which is answered all the same; or does not even send it. */
  void cancel(Call<?> call) {
    boolean wasNotSent = call.isTaken.compareAndSet(false, true);
    if (wasNotSent && pending.remove(call.id) != null)
      call.fail(CinchException.cancelled("Cancelled before it was sent"));
    else if (!wasNotSent)
      tell(
          "{\"jsonrpc\":\"2.0\",\"method\":\"$/cancelRequest\",\"params\":{\"id\":"
              + call.id
              + "}}");
  }

  private void tell(String text) {
    outgoing.add(new Outgoing((text + "\n").getBytes(StandardCharsets.UTF_8), null));
  }

  void close() {
    lose("the connection was closed");
    try {
      if (Thread.currentThread() != reader) reader.join(STOP_MS);
    } catch (InterruptedException error) {
      Thread.currentThread().interrupt();
    }
  }

  private void lose(String reason) {
    synchronized (this) {
      if (lost != null) return;
      lost = reason;
    }
    writer.interrupt();
    for (Long id : pending.keySet()) {
      Call<?> call = pending.remove(id);
      if (call != null) call.lose(reason);
    }
    stream.close();
  }

  private void write() {
    try {
      ByteArrayOutputStream gathered = new ByteArrayOutputStream();
      while (true) {
        gathered.reset();
        for (Outgoing next = outgoing.take(); next != null; next = outgoing.poll()) {
          if (next.take()) gathered.writeBytes(next.data());
          if (gathered.size() >= WRITE_BYTES) break;
        }
        stream.write(gathered.toByteArray());
      }
    } catch (IOException error) {
      lose("the daemon does not read: " + error.getMessage());
    } catch (InterruptedException error) {
      // The connection has ended.
    }
  }

  private void read() {
    byte[] buffer = new byte[READ_BYTES];
    ByteArrayOutputStream line = new ByteArrayOutputStream();
    try {
      for (int count = stream.read(buffer); count >= 0; count = stream.read(buffer)) {
        int start = 0;
        for (int at = 0; at < count; at++) {
          if (buffer[at] != '\n') continue;
          line.write(buffer, start, at - start);
          receive(line.toString(StandardCharsets.UTF_8));
          line.reset();
          start = at + 1;
        }
        line.write(buffer, start, count - start);
      }
      lose("the daemon closed the connection");
    } catch (IOException error) {
      lose("the connection broke: " + error.getMessage());
    } catch (RuntimeException error) {
      lose("the daemon sent what is no message: " + error.getMessage());
    } finally {
      // Without a reader, nobody would ever be answered.
      lose("the connection broke");
    }
  }

  private void receive(String line) {
    if (line.isBlank()) return;
    Answer message = Answer.of(Json.read(line, true));
    String method = message.text("method");
    Object id = message.any("id");
    if ("$/progress".equals(method)) {
      progressed(message.object("params", Answer::of));
    } else if (method != null && id != null) {
      tell(noSuchMethod(id, method));
    } else if (message.any("error") instanceof Map<?, ?> error) {
      CinchException refusal = CinchException.of(error);
      Call<?> call = id instanceof Long number ? pending.remove(number) : null;
      if (call != null) call.fail(refusal);
      else if (id == null) faulted(refusal);
    } else if (id instanceof Long number) {
      Call<?> call = pending.remove(number);
      if (call != null) call.answer(message.any("result"));
    }
  }

  private void progressed(Answer told) {
    Call<?> call = told.any("token") instanceof Long token ? pending.get(token) : null;
    if (call != null) call.progressed(told.object("value", Answer::row));
  }

  private static String noSuchMethod(Object id, String method) {
    Map<String, Object> data = Map.of("kind", Api.Kind.METHOD_NOT_FOUND, "method", method);
    Map<String, Object> error = Map.of("code", -32601, "message", "No such method", "data", data);
    return Json.write(Map.of("jsonrpc", "2.0", "id", id, "error", error), false);
  }

  /**
   * An error that names no call: of the whole connection, or of a message that was not even read.
   */
  private void faulted(CinchException refusal) {
    if (!(refusal.data().get("maxBytes") instanceof Long largest)) {
      lose(refusal.getMessage());
      return;
    }
    // Too large was the first that is; the daemon will tell of the next.
    for (Call<?> call : pending.values()) {
      boolean isHit = call.data.length - 1 > largest && pending.remove(call.id) != null;
      if (isHit) {
        call.fail(refusal);
        return;
      }
    }
  }
}
