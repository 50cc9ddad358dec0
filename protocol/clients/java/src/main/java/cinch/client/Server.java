package cinch.client;

import java.util.List;

/**
 * What a daemon says of itself.
 *
 * @param name its program
 * @param version of that program
 * @param protocolVersion what it speaks
 * @param capabilities what it can do, by names
 * @param project the project's folder
 */
public record Server(
    String name,
    String version,
    String protocolVersion,
    List<String> capabilities,
    String project) {
  static Server of(Answer told) {
    Answer program = told.object("server", Answer::of);
    return new Server(
        program.text("name"),
        program.text("version"),
        told.text("protocolVersion"),
        told.list("capabilities", Answer.each(String.class)),
        told.object("project", Answer::of).text("path"));
  }
}
