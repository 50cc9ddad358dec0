package cinch.client;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * Says how to connect. As it is: to the project of the working directory, in the scope {@code
 * main}.
 */
public final class Connector {
  private Path project;
  private String database;
  private String branch;
  private String tenant;
  private List<String> command;
  private boolean isStarting = true;

  /** With every default. */
  public Connector() {}

  /**
   * The project.
   *
   * @param folder by default it is looked for upward from {@code CINCH_PROJECT}, or the working
   *     directory
   * @return this
   */
  public Connector project(Path folder) {
    project = folder;
    return this;
  }

  /**
   * The database that calls go to.
   *
   * @param name by default {@code main}
   * @return this
   */
  public Connector database(String name) {
    database = name;
    return this;
  }

  /**
   * The branch that calls go to.
   *
   * @param name by default {@code main}
   * @return this
   */
  public Connector branch(String name) {
    branch = name;
    return this;
  }

  /**
   * The tenant that calls go to.
   *
   * @param name by default {@code main}
   * @return this
   */
  public Connector tenant(String name) {
    tenant = name;
    return this;
  }

  /**
   * How {@code cinchd} is run.
   *
   * @param words by default what {@code CINCHD} says, or {@code cinchd} on the {@code PATH}
   * @return this
   */
  public Connector command(List<String> words) {
    command = List.copyOf(words);
    return this;
  }

  /**
   * Whether to start a daemon where none runs.
   *
   * @param isWanted by default true
   * @return this
   */
  public Connector start(boolean isWanted) {
    isStarting = isWanted;
    return this;
  }

  /**
   * Connects to the project's daemon, starting one where none runs. A connection that was lost is
   * made anew by the next call, unless a transaction or a cursor was open on it.
   *
   * @return a client to be closed
   */
  public Client connect() {
    Daemon daemon = new Daemon(folder(), command);
    boolean isAllowed = isStarting;
    return client(new Link(() -> new Connection(daemon.dial(isAllowed)), true));
  }

  /**
   * Starts a {@code cinchd} for this client alone and speaks over its pipes. It ends with the
   * client.
   *
   * @return a client to be closed
   */
  public Client connectStdio() {
    Daemon daemon = new Daemon(folder(), command);
    return client(new Link(() -> new Connection(daemon.spawn()), false));
  }

  /**
   * The nearest project's folder.
   *
   * @param start where to look, and upward from there
   * @return the folder
   * @throws CinchException.NotFound if there is none
   */
  public static Path findProject(Path start) {
    Path first = start.toAbsolutePath().normalize();
    for (Path folder = first; folder != null; folder = folder.getParent()) {
      if (isProject(folder)) return folder;
    }
    throw noProject(first);
  }

  private Client client(Link link) {
    return new Client(new Client.View(link, database, branch, tenant, null, null, null, true));
  }

  private Path folder() {
    if (project == null)
      return findProject(Path.of(System.getenv().getOrDefault("CINCH_PROJECT", "")));
    Path folder = project.toAbsolutePath().normalize();
    if (!isProject(folder)) throw noProject(folder);
    return folder;
  }

  private static boolean isProject(Path folder) {
    return Files.exists(folder.resolve(".cinchdb").resolve("metadata.db"));
  }

  private static CinchException noProject(Path path) {
    Map<String, Object> data = Map.of("path", path.toString());
    return new CinchException.Refusal(
            1100, Api.Kind.PROJECT_NOT_FOUND, "No project here", "cinch init makes one", data)
        .exception();
  }
}
