package cinch.client;

import java.util.List;

/** Generated code was made from another schema than the branch has. */
public final class SchemaDiffersException extends RuntimeException {
  private static final long serialVersionUID = 1;

  /** The hash of what the code was generated from. */
  private final String expected;

  /** The hash of what the branch has. */
  private final String found;

  private SchemaDiffersException(String expected, String found) {
    super(
        "schema differs: the code was generated from "
            + expected
            + ", the branch has "
            + found
            + "; run cinch codegen generate java again");
    this.expected = expected;
    this.found = found;
  }

  /**
   * The hash of what the code was generated from.
   *
   * @return SHA-256, in hex
   */
  public String expected() {
    return expected;
  }

  /**
   * The hash of what the branch has.
   *
   * @return SHA-256, in hex, or which table or view is missing
   */
  public String found() {
    return found;
  }

  /**
   * Makes sure that a branch has the schema that code was generated from.
   *
   * @param client whose branch it is
   * @param hash of the schema
   * @param tables that the code is for
   * @param views that the code is for
   * @throws SchemaDiffersException if it has another one
   */
  public static void check(Client client, String hash, List<String> tables, List<String> views) {
    String found;
    try {
      found = client.codegen().hash().tables(tables).views(views).execute().hash();
    } catch (CinchException.NotFound error) {
      boolean isMissing =
          error.kind().equals(Api.Kind.TABLE_NOT_FOUND)
              || error.kind().equals(Api.Kind.VIEW_NOT_FOUND);
      if (!isMissing) throw error;
      found = "no " + error.data().values().iterator().next();
    }
    if (!found.equals(hash)) throw new SchemaDiffersException(hash, found);
  }
}
