package cinch.client;

import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;

/**
 * Sends and reads each value of {@code protocol/vectors/values.json}, and tells of each whether it
 * went well. The file is named by {@code CINCH_VECTORS}, or found from this client's folder.
 */
public final class Vectors {
  private Vectors() {}

  /**
   * Runs all.
   *
   * @param arguments none
   * @throws Exception if there is no project to be made
   */
  public static void main(String[] arguments) throws Exception {
    String file = System.getenv().getOrDefault("CINCH_VECTORS", "../../vectors/values.json");
    Answer vectors = Answer.of(Json.read(Files.readString(Path.of(file)), false));
    int count = 0;
    int passed = 0;
    try (TestProject project = new TestProject();
        Client db = project.connect()) {
      List<Answer> values = vectors.list("values", Answer::of);
      for (Answer vector : values) {
        count++;
        if (told(vector, isSame(db, vector))) passed++;
      }
      List<Answer> refused = vectors.list("refused", Answer::of);
      for (Answer vector : refused) {
        if (!"client".equals(vector.text("by"))) continue;
        count++;
        if (told(vector, isRefused(db, vector))) passed++;
      }
    }
    System.out.println(passed + " of " + count + " vectors");
    if (passed < count) System.exit(1);
  }

  private static boolean told(Answer vector, boolean isOk) {
    System.out.println((isOk ? "ok " : "FAIL ") + vector.text("name"));
    return isOk;
  }

  private static boolean isSame(Client db, Answer vector) {
    String sql = vector.text("sql");
    Object value = valueOf(vector);
    Object stored = value instanceof Boolean flag ? Long.valueOf(flag ? 1 : 0) : value;
    Row sent = db.query("select ?1 is " + sql + ", typeof(?1), ?1", value).one();
    Row read = db.query("select " + sql).one();
    return Objects.equals(sent.get(0), 1L)
        && Objects.equals(sent.get(1), vector.text("typeof"))
        && isEqual(sent.get(2), stored)
        && isEqual(read.get(0), stored);
  }

  /** JSON does not tell 2.0 from 2, and an expression has no type that would. */
  private static boolean isEqual(Object found, Object wanted) {
    if (found instanceof Long whole && wanted instanceof Double)
      return wanted.equals(whole.doubleValue());
    return found instanceof byte[] bytes && wanted instanceof byte[] others
        ? Arrays.equals(bytes, others)
        : Objects.equals(found, wanted);
  }

  private static boolean isRefused(Client db, Answer vector) {
    long before = db.project().stats().execute().requests().get("query.run").calls();
    try {
      db.query("select ?", valueOf(vector));
      return false;
    } catch (IllegalArgumentException error) {
      return db.project().stats().execute().requests().get("query.run").calls() == before;
    }
  }

  private static Object valueOf(Answer vector) {
    String text = vector.text("value");
    return switch (vector.text("kind")) {
      case "null" -> null;
      case "boolean" -> Boolean.valueOf(text);
      case "integer" -> whole(new BigInteger(text));
      case "real" -> Double.valueOf(text);
      case "text" -> text;
      case "blob" -> HexFormat.of().parseHex(text);
      default ->
          throw new IllegalArgumentException("a vector of another kind: " + vector.text("kind"));
    };
  }

  private static Object whole(BigInteger value) {
    return value.bitLength() > 63 ? value : (Object) value.longValue();
  }
}
