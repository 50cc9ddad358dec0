package cinch.client;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** A new project in a temporary folder. Its daemon, once there is one, is stopped at the end. */
final class TestProject implements AutoCloseable {
  final Path folder;

  TestProject() throws IOException, InterruptedException {
    folder = Files.createTempDirectory("cinch-");
    List<String> daemon = Daemon.split(System.getenv("CINCHD"));
    Path engine =
        Path.of(daemon.get(daemon.size() - 1)).resolveSibling("engine").resolve("engine.js");
    String script =
        "import('%s').then(engine => engine.createProject('%s'))".formatted(engine.toUri(), folder);
    Process node = new ProcessBuilder(daemon.get(0), "-e", script).inheritIO().start();
    if (node.waitFor() != 0) throw new IOException("the project was not made");
  }

  Client connect() {
    return Client.connect(folder);
  }

  /** Kills the daemon that a client is connected to, and waits for its end. */
  static void kill(Client client) {
    long pid = client.project().info().execute().pid();
    ProcessHandle daemon = ProcessHandle.of(pid).orElseThrow();
    daemon.destroyForcibly();
    daemon.onExit().join();
  }

  @Override
  public void close() throws IOException {
    try (Client client = new Connector().project(folder).start(false).connect()) {
      kill(client);
    } catch (ConnectionLostException error) {
      // There is none, or it is gone now.
    }
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) Files.delete(file);
    }
  }
}
