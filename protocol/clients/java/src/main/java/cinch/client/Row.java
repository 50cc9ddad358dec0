package cinch.client;

import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;

/**
 * Values by name and by place: a row of a result or of a table. Nothing is guessed: a value of
 * another kind than the one asked for is an {@link IllegalStateException} that says what is there.
 */
public final class Row {
  private final String of;
  private final Map<String, Integer> places;
  private final List<Object> values;

  Row(String of, Map<String, Integer> places, List<Object> values) {
    this.of = of;
    this.places = places;
    this.values = values;
  }

  /**
   * A row as an object of JSON.
   *
   * @param of what it is a row of, for messages
   * @param found values by name
   * @return the row
   */
  public static Row of(String of, Map<?, ?> found) {
    Map<String, Integer> places = new LinkedHashMap<>();
    List<Object> values = new ArrayList<>(found.size());
    found.forEach(
        (name, value) -> {
          places.put((String) name, values.size());
          values.add(value);
        });
    return new Row(of, places, values);
  }

  /**
   * How many values there are.
   *
   * @return the number
   */
  public int size() {
    return values.size();
  }

  /**
   * Whether there is a value of this name, be it null.
   *
   * @param column its name
   * @return true if so
   */
  public boolean has(String column) {
    return places.containsKey(column);
  }

  /**
   * The value at a place.
   *
   * @param place counted from 0
   * @return null, Boolean, Long, Double, String or byte[]
   */
  public Object get(int place) {
    return values.get(place);
  }

  /**
   * The value of a column; the last one where names repeat.
   *
   * @param column its name
   * @return null, Boolean, Long, Double, String or byte[]
   */
  public Object get(String column) {
    Integer place = places.get(column);
    if (place == null) throw new NoSuchElementException(of + " has no column " + column);
    return values.get(place);
  }

  /**
   * A text.
   *
   * @param column its name
   * @return the text, or null
   */
  public String getString(String column) {
    return as(String.class, "a text", column);
  }

  /**
   * An integer.
   *
   * @param column its name
   * @return the integer, or null
   */
  public Long getLong(String column) {
    return as(Long.class, "an integer", column);
  }

  /**
   * A real. JSON does not tell 2.0 from 2, so a whole number is taken for one.
   *
   * @param column its name
   * @return the real, or null
   */
  public Double getDouble(String column) {
    if (get(column) instanceof Long whole && Json.isExact(whole)) return whole.doubleValue();
    return as(Double.class, "a real", column);
  }

  /**
   * A boolean, as columns declared BOOLEAN have it.
   *
   * @param column its name
   * @return the boolean, or null
   */
  public Boolean getBoolean(String column) {
    return as(Boolean.class, "a boolean", column);
  }

  /**
   * A blob.
   *
   * @param column its name
   * @return the bytes, or null
   */
  public byte[] getBytes(String column) {
    return as(byte[].class, "a blob", column);
  }

  /**
   * A time that is kept as text, ISO 8601.
   *
   * @param column its name
   * @return the time, or null
   */
  public Instant getInstant(String column) {
    String text = getString(column);
    try {
      return text == null ? null : OffsetDateTime.parse(text).toInstant();
    } catch (DateTimeParseException error) {
      throw new IllegalStateException(
          of + "." + column + " holds a text that is no time: " + text, error);
    }
  }

  /**
   * Makes sure that columns hold something.
   *
   * @param columns their names
   * @return this row
   */
  public Row notNull(String... columns) {
    for (String column : columns) {
      if (get(column) == null) throw new IllegalStateException(of + "." + column + " holds NULL");
    }
    return this;
  }

  /**
   * The row as a map. Where names repeat, the last one counts.
   *
   * @return values by name, in order
   */
  public Map<String, Object> toMap() {
    Map<String, Object> map = new LinkedHashMap<>();
    places.forEach((name, place) -> map.put(name, values.get(place)));
    return map;
  }

  /**
   * The row as a list.
   *
   * @return values in order
   */
  public List<Object> toList() {
    return Collections.unmodifiableList(values);
  }

  @Override
  public String toString() {
    return of + toMap();
  }

  private <T> T as(Class<T> type, String wanted, String column) {
    Object value = get(column);
    if (value == null || type.isInstance(value)) return type.cast(value);
    throw new IllegalStateException(
        of + "." + column + " holds " + kindOf(value) + ", not " + wanted);
  }

  static String kindOf(Object value) {
    if (value == null) return "NULL";
    if (value instanceof Boolean) return "a boolean";
    if (value instanceof Long) return "an integer";
    if (value instanceof Double) return "a real";
    if (value instanceof String) return "a text";
    return value instanceof byte[] ? "a blob" : "a list or map";
  }
}
