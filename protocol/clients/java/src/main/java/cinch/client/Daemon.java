package cinch.client;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ConnectException;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** The daemon of a project: how it is found, and how it is started. */
final class Daemon {
  private static final long LOOK_MS = 15;
  private static final int IDLE_EXIT_SECONDS = 600;
  private static final int LAST_WORDS = 2_000;

  private final Path project;
  private final Path log;
  private final List<String> command;

  /**
   * The daemon of a project.
   *
   * @param command how it is run; null: as the environment says
   */
  Daemon(Path project, List<String> command) {
    this.project = project;
    this.log = project.resolve(".cinchdb").resolve("daemon.log");
    this.command = command;
  }

  /** Connects to the one that runs, or to one that is started. */
  Stream dial(boolean mayStart) {
    long giveUpAt = System.nanoTime() + Link.START.toNanos();
    Process started = null;
    long logStart = 0;
    try {
      while (true) {
        SocketChannel running = running();
        if (running != null) return new Stream.OfSocket(running);
        if (!mayStart) {
          throw new ConnectionLostException(
              "no daemon runs for " + project + "; `cinch daemon start` starts one");
        }
        if (started == null) {
          logStart = log.toFile().length();
          started = start();
        }
        if (started.waitFor(LOOK_MS, TimeUnit.MILLISECONDS)) {
          int code = started.exitValue();
          if (code != 0) {
            throw new ConnectionLostException(
                "cinchd ended with " + code + ": " + lastWords(logStart));
          }
          // It found another one at work, which may have stopped since.
          started = null;
        }
        if (System.nanoTime() > giveUpAt) {
          throw new ConnectionLostException("the daemon did not start; its log is " + log);
        }
      }
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    } catch (InterruptedException error) {
      Thread.currentThread().interrupt();
      throw new ConnectionLostException("interrupted while the daemon started");
    }
  }

  /** Starts one that speaks over its pipes. */
  Stream spawn() {
    try {
      ProcessBuilder builder = builder(words(), "--stdio");
      return new Stream.OfProcess(builder.redirectError(ProcessBuilder.Redirect.INHERIT).start());
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  /** A socket to the daemon that daemon.json tells of; null where nobody answers there. */
  private SocketChannel running() throws IOException {
    Answer said;
    try {
      said =
          Answer.of(
              Json.read(
                  Files.readString(project.resolve(".cinchdb").resolve("daemon.json")), false));
    } catch (NoSuchFileException | IllegalArgumentException error) {
      // There is none, or it is just being written.
      return null;
    }
    Path socket = Path.of(said.text("socket"));
    SocketChannel channel;
    try {
      channel = SocketChannel.open(UnixDomainSocketAddress.of(socket));
    } catch (IOException error) {
      if (error instanceof ConnectException || !Files.exists(socket)) return null;
      throw error;
    }
    try {
      Link.checkVersion(said.text("protocolVersion"));
    } catch (CinchException error) {
      channel.close();
      throw error;
    }
    return channel;
  }

  /**
   * Starts one that outlives this process. In a session of its own, no signal of a terminal reaches
   * it.
   */
  private Process start() throws IOException {
    try {
      Files.createFile(
          log, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    } catch (FileAlreadyExistsException error) {
      // It is appended to.
    }
    List<String> words = new ArrayList<>(words());
    String setsid = onPath("setsid");
    if (setsid != null) words.add(0, setsid);
    return builder(
            words,
            "--socket",
            "--idle-exit",
            String.valueOf(IDLE_EXIT_SECONDS),
            "--log-level",
            "info")
        .redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")))
        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
        .redirectError(ProcessBuilder.Redirect.appendTo(log.toFile()))
        .start();
  }

  private ProcessBuilder builder(List<String> words, String... arguments) {
    List<String> all = new ArrayList<>(words);
    all.addAll(List.of("--project", project.toString()));
    all.addAll(Arrays.asList(arguments));
    ProcessBuilder builder = new ProcessBuilder(all);
    // A daemon is given keys by its clients alone.
    builder.environment().remove("CINCH_TENANT_KEY");
    return builder;
  }

  private List<String> words() {
    if (command != null) return command;
    String line = System.getenv("CINCHD");
    if (line != null && !line.isBlank()) return split(line);
    String found = onPath("cinchd");
    if (found != null) return List.of(found);
    throw new IllegalStateException(
        "there is no cinchd on the PATH; say how to run it with Connector.command or CINCHD");
  }

  private static String onPath(String program) {
    for (String folder : System.getenv().getOrDefault("PATH", "").split(File.pathSeparator)) {
      File file = new File(folder, program);
      if (file.isFile() && file.canExecute()) return file.getPath();
    }
    return null;
  }

  /** Cuts a command line at blanks outside of quotes. */
  static List<String> split(String line) {
    List<String> words = new ArrayList<>();
    StringBuilder word = null;
    char quote = 0;
    for (char letter : line.toCharArray()) {
      boolean isBlank = quote == 0 && (letter == ' ' || letter == '\t');
      if (isBlank) {
        if (word != null) words.add(word.toString());
        word = null;
        continue;
      }
      if (word == null) word = new StringBuilder();
      if (quote == 0 && (letter == '"' || letter == '\'')) quote = letter;
      else if (letter == quote) quote = 0;
      else word.append(letter);
    }
    if (quote != 0) throw new IllegalArgumentException("a quote is not closed in CINCHD: " + line);
    if (word != null) words.add(word.toString());
    return words;
  }

  /** What a daemon that did not come up wrote to its log. */
  private String lastWords(long start) throws IOException {
    byte[] all = Files.readAllBytes(log);
    int from = Math.max((int) Math.min(start, all.length), all.length - LAST_WORDS);
    return new String(all, from, all.length - from, StandardCharsets.UTF_8).strip();
  }
}
