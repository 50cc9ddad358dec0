package cinch.client;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** Bytes both ways; one thread reads while another writes. */
interface Stream {
  /** How many bytes have come into the buffer; -1 at the end. */
  int read(byte[] buffer) throws IOException;

  void write(byte[] data) throws IOException;

  /** Reading comes to its end. */
  void close();

  /**
   * Over a daemon's socket. The streams of {@code Channels} would not let one read while another
   * writes.
   */
  record OfSocket(SocketChannel channel) implements Stream {
    @Override
    public int read(byte[] buffer) throws IOException {
      return channel.read(ByteBuffer.wrap(buffer));
    }

    @Override
    public void write(byte[] data) throws IOException {
      ByteBuffer rest = ByteBuffer.wrap(data);
      while (rest.hasRemaining()) channel.write(rest);
    }

    @Override
    public void close() {
      try {
        channel.close();
      } catch (IOException error) {
        // Nobody is there any more who could be told.
      }
    }
  }

  /** Over the pipes of a {@code cinchd --stdio}. The end of its input is what ends it. */
  record OfProcess(Process process) implements Stream {
    private static final long STOP_SECONDS = 10;

    @Override
    public int read(byte[] buffer) throws IOException {
      InputStream output = process.getInputStream();
      return output.read(buffer);
    }

    @Override
    public void write(byte[] data) throws IOException {
      OutputStream input = process.getOutputStream();
      input.write(data);
      input.flush();
    }

    @Override
    public void close() {
      // One that does not end by itself is killed, be it that it does not even read.
      CompletableFuture.delayedExecutor(STOP_SECONDS, TimeUnit.SECONDS)
          .execute(process::destroyForcibly);
      try {
        process.getOutputStream().close();
      } catch (IOException error) {
        // It has ended already.
      }
      process.onExit().join();
    }
  }
}
