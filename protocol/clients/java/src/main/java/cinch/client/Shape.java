package cinch.client;

import java.util.LinkedHashMap;
import java.util.Map;

/** Something that is sent as an object, whose fields are told apart: left out, null, or a value. */
public abstract class Shape {
  private final Map<String, Object> fields = new LinkedHashMap<>();

  /** One with nothing in it. */
  protected Shape() {}

  /**
   * Sets a field.
   *
   * @param name as the daemon has it
   * @param value a value, or null
   */
  protected final void put(String name, Object value) {
    fields.put(name, value);
  }

  final Map<String, Object> fields() {
    return fields;
  }
}
