package cinch.client;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * An object that the daemon sent, read by the names of its fields. One that is not there is null.
 */
final class Answer {
  private final Map<?, ?> fields;

  private Answer(Map<?, ?> fields) {
    this.fields = fields;
  }

  static Answer of(Object found) {
    if (found instanceof Map<?, ?> fields) return new Answer(fields);
    throw new IllegalStateException(
        "the daemon answered " + Row.kindOf(found) + " where an object was wanted");
  }

  Object any(String name) {
    return fields.get(name);
  }

  String text(String name) {
    return as(String.class, name, fields.get(name));
  }

  Long whole(String name) {
    return as(Long.class, name, fields.get(name));
  }

  long whole(String name, long absent) {
    Long found = whole(name);
    return found == null ? absent : found;
  }

  Double real(String name) {
    Number found = as(Number.class, name, fields.get(name));
    return found == null ? null : found.doubleValue();
  }

  Boolean flag(String name) {
    return as(Boolean.class, name, fields.get(name));
  }

  boolean isTrue(String name) {
    return Boolean.TRUE.equals(flag(name));
  }

  <T> T object(String name, Function<Object, T> read) {
    Object found = fields.get(name);
    return found == null ? null : read.apply(found);
  }

  /** Null where there is no list. */
  <T> List<T> list(String name, Function<Object, T> read) {
    return items(name, fields.get(name), read);
  }

  /** Null where there is no map. */
  <T> Map<String, T> map(String name, Function<Object, T> read) {
    Map<?, ?> found = as(Map.class, name, fields.get(name));
    if (found == null) return null;
    Map<String, T> map = new LinkedHashMap<>();
    found.forEach((key, value) -> map.put((String) key, read.apply(value)));
    return map;
  }

  /** What else there is. */
  Map<String, Object> more(String... known) {
    Map<String, Object> more = new LinkedHashMap<>();
    fields.forEach((name, value) -> more.put((String) name, value));
    more.keySet().removeAll(List.of(known));
    return more;
  }

  static <T> List<T> items(String name, Object found, Function<Object, T> read) {
    List<?> items = as(List.class, name, found);
    if (items == null) return null;
    List<T> list = new ArrayList<>(items.size());
    for (Object each : items) list.add(read.apply(each));
    return list;
  }

  static <T> Function<Object, T> each(Class<T> type) {
    return found -> as(type, "an item", found);
  }

  /** A row, or null. */
  static Map<String, Object> row(Object found) {
    return found == null ? null : of(found).more();
  }

  private static <T> T as(Class<T> type, String name, Object value) {
    if (value == null || type.isInstance(value)) return type.cast(value);
    throw new IllegalStateException(name + " of the daemon's answer is " + Row.kindOf(value));
  }
}
