/**
 * A client of cinch: SQLite with branches and tenants, behind one daemon per project.
 *
 * <pre>{@code
 * try (Client db = Client.connect()) { // the project of this folder; its daemon is started if none runs
 *   Client acme = db.withTenant("acme"); // the same connection, another tenant
 *   Result notes = acme.query("select text from note where weight > ?", 1);
 *   db.branch().create("next").execute();
 * }
 * }</pre>
 *
 * <p>It speaks JSON-RPC 2.0, one JSON object a line, over the daemon's Unix socket or over the
 * pipes of a {@code cinchd --stdio} that it starts. A {@link cinch.client.Client} can be shared by
 * threads, whose calls overlap.
 *
 * <p>Values go both ways as they are: {@code null}, {@link Boolean}, {@link Long}, {@link Double},
 * {@link String} and {@code byte[]}. Smaller numbers are taken too, a {@link java.math.BigInteger}
 * within 64 bits, and a {@link java.time.Instant}, which is sent as the daemon writes its own
 * times: text, ISO 8601 in UTC, to the millisecond.
 */
package cinch.client;
