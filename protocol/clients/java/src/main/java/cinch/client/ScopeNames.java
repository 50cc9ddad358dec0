package cinch.client;

import java.util.List;

/** By which parameters a method is told where it is to go; null: it is not. */
record ScopeNames(String database, String branch, String tenant, boolean transaction) {
  static final ScopeNames NONE = new ScopeNames(null, null, null, false);

  /** As the daemon describes a method. */
  static ScopeNames of(Answer method) {
    String noun = method.text("name").split("\\.", 2)[0];
    ScopeNames names = NONE;
    List<Answer> params = method.list("params", Answer::of);
    for (Answer param : params) {
      String name = param.text("name");
      // What a method is about goes by "name": where that may be left out, it is the scope's.
      boolean isOfNoun = name.equals("name") && !param.isTrue("required");
      names =
          switch (isOfNoun ? noun : name) {
            case "database" ->
                isOfNoun
                    ? names
                    : new ScopeNames(name, names.branch, names.tenant, names.transaction);
            case "branch" -> new ScopeNames(names.database, name, names.tenant, names.transaction);
            case "tenant" -> new ScopeNames(names.database, names.branch, name, names.transaction);
            case "transaction" -> new ScopeNames(names.database, names.branch, names.tenant, true);
            default -> names;
          };
    }
    return names;
  }
}
