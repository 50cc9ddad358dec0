import cinch.client.CinchException;
import cinch.client.Client;
import cinch.client.Listing;
import cinch.client.SchemaDiffersException;
import cinch.generated.Tables;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/** Uses the code that was generated for a schema that makes generators stumble. */
public final class TablesTest {
  private TablesTest() {}

  public static void main(String[] arguments) {
    try (Client db = Client.connect()) {
      Tables tables = Tables.open(db);
      insertGetUpdateDelete(tables);
      absentAndNull(tables);
      listAndCount(tables);
      keysOfTwoColumns(tables);
      tablesWithoutKey(tables);
      everyType(tables);
      systemColumns(tables);
      transactions(db, tables);
      otherKinds(db, tables);
      tenants(db, tables);
      schemaDiffers(db);
    }
    System.out.println("done");
  }

  private static void insertGetUpdateDelete(Tables tables) {
    Tables.Class_ stored =
        tables
            .class_()
            .insert(new Tables.ClassInsert("a").func(2.0).match(new byte[] {1}).self(true));
    equal(stored.id(), 2L);
    equal(stored.select(), 7L);
    equal(stored.func(), 2.0);
    isTrue(Arrays.equals(stored.match(), new byte[] {1}));
    isTrue(stored.self());
    equal(tables.class_().get(2).map(Tables.Class_::type), Optional.of("a"));
    equal(tables.class_().get(99), Optional.empty());
    Tables.Class_ updated =
        tables.class_().update(new Tables.ClassUpdate(2).type("b").new_(1L << 60));
    equal(updated.type(), "b");
    equal(updated.func(), 2.0);
    equal(updated.new_(), 1L << 60);
    tables.class_().delete(2);
    throwing(CinchException.NotFound.class, () -> tables.class_().delete(2));
    throwing(
        CinchException.NotFound.class,
        () -> tables.class_().update(new Tables.ClassUpdate(2).type("b")));
  }

  private static void absentAndNull(Tables tables) {
    Tables.Class_ stored =
        tables.class_().insert(new Tables.ClassInsert("a").id(5).select(null).none("x"));
    equal(stored.select(), null);
    equal(tables.class_().update(new Tables.ClassUpdate(5).none(null)).none(), null);
    Tables.Defaults defaults = tables.defaults().insert(new Tables.DefaultsInsert("d"));
    equal(defaults.price(), 1.5);
    equal(defaults.label(), "it's */ \"\"\" \\");
    isTrue(defaults.flag());
    throwing(
        CinchException.ConstraintFailed.class,
        () -> tables.defaults().insert(new Tables.DefaultsInsert("e").label(null)));
  }

  private static void listAndCount(Tables tables) {
    List<Tables.Class_> rows =
        tables
            .class_()
            .list(new Listing().where(Map.of("id", Map.of("gte", 1))).orderBy("-id").limit(2));
    equal(rows.stream().map(Tables.Class_::id).toList(), List.of(5L, 1L));
    equal(tables.class_().list(new Listing().offset(1)).size(), 1);
    equal(tables.class_().count(), 2L);
    equal(tables.class_().count(Map.of("type", "first")), 1L);
    Tables.ClassView view = tables.classView().list().get(0);
    equal(view.type(), "first");
    equal(view.count(), 1L);
    equal(tables.classView().count(), 2L);
  }

  private static void keysOfTwoColumns(Tables tables) {
    List<Tables.OrderLine> stored =
        tables
            .orderLine()
            .insert(
                List.of(
                    new Tables.OrderLineInsert(1, 1), new Tables.OrderLineInsert(1, 2).note("n")));
    equal(stored.get(1), new Tables.OrderLine(1, 2, "n"));
    equal(tables.orderLine().insert(List.of()), List.of());
    equal(tables.orderLine().get(1, 2).orElseThrow().note(), "n");
    tables.orderLine().update(List.of(new Tables.OrderLineUpdate(1, 1).note("m")));
    tables.orderLine().delete(1, 2);
    equal(tables.orderLine().list(), List.of(new Tables.OrderLine(1, 1, "m")));
  }

  private static void tablesWithoutKey(Tables tables) {
    tables
        .orderLine2()
        .insert(new Tables.OrderLineInsert2().orderLine("a").orderLine2("b").orderLine3(3L));
    equal(tables.orderLine2().list(), List.of(new Tables.OrderLine2("a", "b", 3L)));
    equal(
        tables.computed().insert(new Tables.ComputedInsert().a(4L)),
        new Tables.Computed(4L, 8L, "x4"));
  }

  private static void everyType(Tables tables) {
    Tables.StrictTypes stored =
        tables
            .strictTypes()
            .insert(new Tables.StrictTypesInsert(Long.MIN_VALUE, 3.0, "漢字😀", new byte[0]).a(2.0));
    equal(stored.i(), Long.MIN_VALUE);
    equal(stored.r(), 3.0);
    equal(stored.t(), "漢字😀");
    equal(stored.b().length, 0);
    Tables.N2nd unicode = tables.n2nd().insert(new Tables.N2ndInsert(0.5).漢字("x").class_(1L));
    equal(unicode.größe(), 0.5);
    equal(tables.list().insert(new Tables.ListInsert("k").string("s")).string(), "s");
  }

  private static void systemColumns(Tables tables) {
    Tables.Stamped stored = tables.stamped().insert(new Tables.StampedInsert().name("a"));
    isTrue(stored.createdAt().isAfter(Instant.parse("2020-01-01T00:00:00Z")));
    Tables.Stamped updated =
        tables.stamped().update(new Tables.StampedUpdate(stored.id()).name("b"));
    equal(updated.createdAt(), stored.createdAt());
    isTrue(!updated.updatedAt().isBefore(stored.updatedAt()));
    equal(tables.stamped().get(stored.id()), Optional.of(updated));
  }

  private static void transactions(Client db, Tables tables) {
    IllegalStateException stop = new IllegalStateException("stop");
    throwing(
        IllegalStateException.class,
        () ->
            db.transact(
                tx -> {
                  tables.with(tx).list().insert(new Tables.ListInsert("t"));
                  equal(tables.with(tx).list().count(), 2L);
                  throw stop;
                }));
    equal(tables.list().count(), 1L);
    db.transact(tx -> tables.with(tx).list().delete("k"));
    equal(tables.list().count(), 0L);
  }

  private static void otherKinds(Client db, Tables tables) {
    db.execute("insert into \"class\" (\"id\", \"type\", \"select\") values (50, 'a', 'many')");
    IllegalStateException error =
        throwing(IllegalStateException.class, () -> tables.class_().get(50));
    equal(error.getMessage(), "class.select holds a text, not an integer");
    db.execute("delete from \"class\" where id = 50");
  }

  private static void tenants(Client db, Tables tables) {
    db.tenant().create("acme").execute();
    Tables acme = tables.with(db.withTenant("acme"));
    acme.list().insert(new Tables.ListInsert("of acme"));
    equal(tables.list().count(), 0L);
    equal(acme.list().count(), 1L);
  }

  private static void schemaDiffers(Client db) {
    db.branch().create("next").execute();
    Client next = db.withBranch("next");
    Tables.open(next);
    next.table().create("more", List.of()).execute();
    Tables.open(next);
    next.column().drop("class", "impl").execute();
    SchemaDiffersException error = throwing(SchemaDiffersException.class, () -> Tables.open(next));
    equal(error.expected(), Tables.HASH);
    equal(error.found().length(), 64);
    isTrue(error.getMessage().contains("run cinch codegen generate java"));
    next.table().drop("stamped").execute();
    equal(throwing(SchemaDiffersException.class, () -> Tables.open(next)).found(), "no stamped");
  }

  private static <E extends RuntimeException> E throwing(Class<E> type, Runnable work) {
    try {
      work.run();
    } catch (RuntimeException error) {
      if (type.isInstance(error)) return type.cast(error);
      throw error;
    }
    throw new AssertionError("no " + type.getSimpleName() + " was thrown");
  }

  private static void equal(Object found, Object wanted) {
    if (!Objects.equals(found, wanted))
      throw new AssertionError(found + " was found, " + wanted + " was wanted");
  }

  private static void isTrue(boolean condition) {
    if (!condition) throw new AssertionError("it does not hold");
  }
}
