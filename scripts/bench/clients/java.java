import cinch.client.Client;
import cinch.client.Connector;
import java.nio.file.Path;
import java.util.Map;

/** java Reads PROJECT SECONDS ROWS. */
final class Reads {
  public static void main(String[] args) {
    double seconds = Double.parseDouble(args[1]);
    long rows = Long.parseLong(args[2]);
    try (Client client = new Connector().project(Path.of(args[0])).start(false).connect()) {
      // The JVM compiles what runs often.
      readFor(client, 1, rows);
      System.out.println(readFor(client, seconds, rows));
    }
  }

  private static String readFor(Client client, double seconds, long rows) {
    long startedAt = System.nanoTime();
    long reads = 0;
    while (secondsSince(startedAt) < seconds) {
      reads++;
      long id = reads * 48_271 % 2_147_483_647 % rows + 1;
      Map<String, Object> row = client.row().get("item", id).execute().row();
      if (row == null || !row.get("id").equals(id) || !row.get("name").equals("name of " + id)) {
        throw new AssertionError(id + " is not " + row);
      }
    }
    return "{\"reads\": " + reads + ", \"seconds\": " + secondsSince(startedAt) + "}";
  }

  private static double secondsSince(long startedAt) {
    return (System.nanoTime() - startedAt) / 1e9;
  }
}
