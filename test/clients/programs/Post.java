// Posts every body of a manifest: java Post.java URL MANIFEST (HttpClient | HttpURLConnection)
import java.io.IOException;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

class Post {
  record Answer(int status, String body) {}

  public static void main(String[] args) throws Exception {
    for (String line : Files.readAllLines(Path.of(args[1]))) {
      String[] entry = line.split("\t");
      URI target = URI.create(args[0] + entry[1]);
      Answer answer = args[2].equals("HttpClient") ? withClient(target, entry) : withConnection(target, entry);
      System.out.println(entry[0] + "\t" + answer.status() + "\t" + answer.body());
    }
  }

  /** Offers HTTP/2 by an upgrade, as it does unless it is told otherwise. */
  static final HttpClient CLIENT = HttpClient.newHttpClient();

  static Answer withClient(URI target, String[] entry) throws IOException, InterruptedException {
    var request = HttpRequest.newBuilder(target).POST(HttpRequest.BodyPublishers.ofFile(Path.of(entry[2])));
    for (int k = 3; k < entry.length; k++) {
      String[] field = entry[k].split(": ");
      request.header(field[0], field[1]);
    }
    var response = CLIENT.send(request.build(), BodyHandlers.ofString());
    return new Answer(response.statusCode(), response.body());
  }

  static Answer withConnection(URI target, String[] entry) throws IOException {
    var connection = (HttpURLConnection) target.toURL().openConnection();
    connection.setRequestMethod("POST");
    connection.setDoOutput(true);
    for (int k = 3; k < entry.length; k++) {
      String[] field = entry[k].split(": ");
      connection.setRequestProperty(field[0], field[1]);
    }
    try (var output = connection.getOutputStream()) {
      Files.copy(Path.of(entry[2]), output);
    }
    try (var input = connection.getInputStream()) {
      return new Answer(connection.getResponseCode(), new String(input.readAllBytes(), StandardCharsets.UTF_8));
    }
  }
}
