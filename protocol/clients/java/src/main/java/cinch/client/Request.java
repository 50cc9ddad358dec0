package cinch.client;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;

/**
 * A call of one method that is ready to be made: with {@link #execute}, or with {@link
 * #executeAsync}. What the method may be told is set before.
 *
 * @param <T> what it answers
 */
public class Request<T> {
  private final Client client;
  private final String method;
  private final Function<Object, T> decode;
  private final Map<String, Object> params = new LinkedHashMap<>();

  Request(Client client, String method, Function<Object, T> decode) {
    this.client = client;
    this.method = method;
    this.decode = decode;
  }

  final Request<T> with(String name, Object value) {
    params.put(name, value);
    return this;
  }

  /**
   * Makes the call, and waits for its answer.
   *
   * @return the answer
   * @throws CinchException if the daemon refuses, or fails
   * @throws ConnectionLostException if the daemon is gone
   */
  public final T execute() {
    return client.ask(method, params, decode);
  }

  /**
   * Makes the call. A future that is completed or cancelled by somebody else before its answer is
   * there cancels the call at the daemon.
   *
   * @return the answer, or what {@link #execute} would have thrown
   */
  public final CompletableFuture<T> executeAsync() {
    return client.askAsync(method, params, decode);
  }
}
