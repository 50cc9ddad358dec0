package cinch.client;

import java.math.BigInteger;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Values as the wire has them, both ways; what JSON cannot hold is tagged. Lists and maps are
 * walked.
 */
final class Json {
  private static final long MAX_EXACT = (1L << 53) - 1;
  private static final int MAX_DEPTH = 1_000;
  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.SSS'Z'", Locale.ROOT)
          .withZone(ZoneOffset.UTC);

  private Json() {}

  /**
   * The text of a value.
   *
   * @param isTagged whether it is one of SQLite; in what describes a schema, a value goes as plain
   *     JSON
   */
  static String write(Object value, boolean isTagged) {
    StringBuilder to = new StringBuilder();
    new Writer(to, isTagged).write(value);
    return to.toString();
  }

  /**
   * The value of a text.
   *
   * @param isTagged whether objects that are tags are what they stand for
   */
  static Object read(String text, boolean isTagged) {
    return new Reader(text, isTagged).whole();
  }

  /** Whether a whole number is one that JSON says exactly for everybody. */
  static boolean isExact(long value) {
    return -MAX_EXACT <= value && value <= MAX_EXACT;
  }

  private record Writer(StringBuilder to, boolean isTagged) {
    void write(Object value) {
      if (value == null || value instanceof Boolean) {
        to.append(value);
      } else if (value instanceof String text) {
        text(text);
      } else if (value instanceof Long
          || value instanceof Integer
          || value instanceof Short
          || value instanceof Byte) {
        whole(((Number) value).longValue());
      } else if (value instanceof BigInteger large) {
        if (large.bitLength() > 63)
          throw new IllegalArgumentException(large + " is beyond 64 bits");
        whole(large.longValue());
      } else if (value instanceof Double || value instanceof Float) {
        real(((Number) value).doubleValue());
      } else if (value instanceof byte[] bytes) {
        blob(bytes);
      } else if (value instanceof Instant time) {
        time(time);
      } else if (value instanceof Shape shape) {
        object(shape.fields());
      } else if (value instanceof Map<?, ?> map) {
        object(map);
      } else if (value instanceof Iterable<?> list) {
        list(list);
      } else {
        String type = value.getClass().getName();
        throw new IllegalArgumentException(
            "a " + type + " is not a value of SQLite, nor a list or map of such values");
      }
    }

    private void whole(long value) {
      if (isExact(value)) {
        to.append(value);
      } else if (isTagged) {
        tagged("$int", Long.toString(value));
      } else {
        throw new IllegalArgumentException(value + " is beyond 2^53; give it as an SQL expression");
      }
    }

    private void real(double value) {
      if (Double.isNaN(value)) throw new IllegalArgumentException("SQLite has no NaN");
      if (!isTagged && Double.isInfinite(value)) {
        throw new IllegalArgumentException("an infinite number cannot stand in a schema");
      }
      // JSON does not tell 2.0 from 2; SQLite does.
      boolean isWhole = value == Math.rint(value);
      if (isTagged && isWhole) tagged("$real", Double.toString(value));
      else to.append(value);
    }

    private void blob(byte[] bytes) {
      if (!isTagged) throw new IllegalArgumentException("bytes cannot stand in a schema");
      tagged("$blob", Base64.getEncoder().encodeToString(bytes));
    }

    private void time(Instant time) {
      int year = time.atOffset(ZoneOffset.UTC).getYear();
      if (year < 0 || year > 9999)
        throw new IllegalArgumentException("the year " + year + " is none of ISO 8601");
      text(TIME.format(time));
    }

    private void tagged(String tag, String text) {
      to.append("{\"").append(tag).append("\":\"").append(text).append("\"}");
    }

    private void object(Map<?, ?> map) {
      char separator = '{';
      for (Map.Entry<?, ?> entry : map.entrySet()) {
        if (!(entry.getKey() instanceof String name)) {
          throw new IllegalArgumentException("the name " + entry.getKey() + " is no String");
        }
        to.append(separator);
        text(name);
        to.append(':');
        write(entry.getValue());
        separator = ',';
      }
      to.append(map.isEmpty() ? "{}" : "}");
    }

    private void list(Iterable<?> list) {
      to.append('[');
      boolean isFirst = true;
      for (Object each : list) {
        if (!isFirst) to.append(',');
        write(each);
        isFirst = false;
      }
      to.append(']');
    }

    private void text(String text) {
      to.append('"');
      for (int at = 0; at < text.length(); at++) {
        char letter = text.charAt(at);
        if (letter == '"' || letter == '\\') {
          to.append('\\').append(letter);
        } else if (letter < ' ') {
          to.append(String.format("\\u%04x", (int) letter));
        } else if (!Character.isSurrogate(letter)) {
          to.append(letter);
        } else if (Character.isHighSurrogate(letter)
            && at + 1 < text.length()
            && Character.isLowSurrogate(text.charAt(at + 1))) {
          to.append(letter).append(text.charAt(++at));
        } else {
          throw new IllegalArgumentException(
              "a text has half of a surrogate pair, which is no character");
        }
      }
      to.append('"');
    }
  }

  private static final class Reader {
    private final String text;
    private final boolean isTagged;
    private int at;
    private int depth;

    Reader(String text, boolean isTagged) {
      this.text = text;
      this.isTagged = isTagged;
    }

    Object whole() {
      Object value = value();
      if (peek() != 0) throw broken();
      return value;
    }

    private Object value() {
      return switch (peek()) {
        case '{' -> object();
        case '[' -> list();
        case '"' -> string();
        case 't' -> word("true", true);
        case 'f' -> word("false", false);
        case 'n' -> word("null", null);
        default -> number();
      };
    }

    private Object object() {
      enter();
      Map<String, Object> found = new LinkedHashMap<>();
      at++;
      if (peek() == '}') {
        at++;
      } else {
        do {
          if (peek() != '"') throw broken();
          String name = string();
          if (peek() != ':') throw broken();
          at++;
          found.put(name, value());
        } while (goesOn('}'));
      }
      depth--;
      return isTagged && found.size() == 1 ? untagged(found) : found;
    }

    private List<Object> list() {
      enter();
      List<Object> found = new ArrayList<>();
      at++;
      if (peek() == ']') {
        at++;
      } else {
        do found.add(value());
        while (goesOn(']'));
      }
      depth--;
      return found;
    }

    private void enter() {
      if (++depth > MAX_DEPTH) throw new IllegalArgumentException("JSON that is nested too deep");
    }

    private boolean goesOn(char end) {
      char next = peek();
      at++;
      if (next == ',') return true;
      if (next == end) return false;
      throw broken();
    }

    private String string() {
      int start = ++at;
      while (at < text.length() && text.charAt(at) != '"' && text.charAt(at) != '\\') at++;
      if (at < text.length() && text.charAt(at) == '"') return text.substring(start, at++);
      StringBuilder found = new StringBuilder().append(text, start, at);
      while (true) {
        char letter = next();
        if (letter == '"') return found.toString();
        found.append(letter == '\\' ? escaped() : letter);
      }
    }

    private char escaped() {
      char letter = next();
      return switch (letter) {
        case '"', '\\', '/' -> letter;
        case 'b' -> '\b';
        case 'f' -> '\f';
        case 'n' -> '\n';
        case 'r' -> '\r';
        case 't' -> '\t';
        case 'u' -> {
          if (at + 4 > text.length()) throw broken();
          at += 4;
          yield (char) Integer.parseInt(text.substring(at - 4, at), 16);
        }
        default -> throw broken();
      };
    }

    private Object word(String word, Object value) {
      if (!text.startsWith(word, at)) throw broken();
      at += word.length();
      return value;
    }

    private Number number() {
      int start = at;
      boolean isWhole = true;
      for (; at < text.length(); at++) {
        char letter = text.charAt(at);
        if (letter == '.' || letter == 'e' || letter == 'E') isWhole = false;
        else if ((letter < '0' || letter > '9') && letter != '-' && letter != '+') break;
      }
      if (at == start) throw broken();
      String digits = text.substring(start, at);
      // INTEGERs beyond 2^53 are tagged, so a whole number of that size that is not is a REAL.
      if (isWhole && digits.length() < 18) {
        long value = Long.parseLong(digits);
        if (isExact(value)) return value;
      }
      return Double.valueOf(digits);
    }

    private char peek() {
      for (; at < text.length(); at++) {
        char letter = text.charAt(at);
        if (letter != ' ' && letter != '\t' && letter != '\n' && letter != '\r') return letter;
      }
      return 0;
    }

    private char next() {
      if (at >= text.length()) throw broken();
      return text.charAt(at++);
    }

    private IllegalArgumentException broken() {
      return new IllegalArgumentException("broken JSON at character " + at);
    }

    /** An object as Java has it: a number or bytes where it is tagged so. */
    private static Object untagged(Map<String, Object> found) {
      Map.Entry<String, Object> only = found.entrySet().iterator().next();
      if (!(only.getValue() instanceof String text)) return found;
      return switch (only.getKey()) {
        case "$int" -> Long.valueOf(text);
        case "$real" -> Double.valueOf(text);
        case "$blob" -> Base64.getDecoder().decode(text);
        default -> found;
      };
    }
  }
}
