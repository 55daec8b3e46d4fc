import { describe, expect, test } from "vitest";
import { DEFAULT_LIMITS } from "@colloquy/core";
import { Service, expose, service } from "../src/index.ts";
import { Router } from "../src/router.ts";

class Leaf extends Service {
  private readonly secret = 1;
  @expose ping(): number {
    return this.secret;
  }
}

class Root extends Service {
  @expose readonly leaf = new Leaf();
  @expose readonly map = service<Record<string, object>>({ inner: service({ leaf: new Leaf() }) });
  @expose top(): void {}
  hidden(): void {}
}

function routed(root: object): Router {
  const router = new Router(DEFAULT_LIMITS);
  router.serve(root);
  return router;
}

describe("Router.resolve", () => {
  test("R6 finds the root, services and methods by path, with their owner", () => {
    const root = new Root();
    const router = routed(root);
    expect(router.resolve("")).toEqual({ owner: root, member: root });
    expect(router.resolve("leaf")).toEqual({ owner: root, member: root.leaf });
    const inner = root.map["inner"] as { leaf: Leaf };
    expect(router.resolve("map/inner/leaf/ping")).toMatchObject({
      owner: inner.leaf,
      member: { call: Leaf.prototype.ping },
    });
    expect(router.resolve("top")).toMatchObject({ owner: root });
  });

  test.each([
    ["none", "NOT_FOUND", 'name "none" not found in the root service'],
    ["leaf/none", "NOT_FOUND", 'name "none" not found in "leaf"'],
    ["map/inner/none", "NOT_FOUND", 'name "none" not found in "map/inner"'],
    ["none/a/b", "NOT_FOUND", 'name "none" not found in the root service'],
    ["top/a/b", "NOT_FOUND", 'name "a/b" not found in "top"'],
    ["hidden", "NOT_EXPOSED", '"hidden" is not exposed; @expose or expose() makes it callable'],
    ["leaf/secret", "NOT_EXPOSED", '"secret" is not exposed; @expose or expose() makes it callable'],
    ["constructor", "NOT_FOUND", 'name "constructor" not found in the root service'],
    ["a\u202eb\n", "NOT_FOUND", String.raw`name "a\u202eb\n" not found in the root service`],
  ])("says of %j: %s", (path, code, message) => {
    expect(() => routed(new Root()).resolve(path)).toThrow(expect.objectContaining({ code, message, executed: "no" }));
  });

  test("without a root finds nothing", () => {
    expect(() => new Router(DEFAULT_LIMITS).resolve("a")).toThrow('"a" not found: this side serves nothing');
  });

  test.each([[{}], [{ add: 1 }], [[]], [new Map()], [new Date(0)], [new Service()]])(
    "takes no root like %j",
    (root) => {
      expect(() => new Router(DEFAULT_LIMITS).serve(root)).toThrow(
        expect.objectContaining({ code: "INVALID_ARGUMENT" }),
      );
    },
  );
});

describe("Router.pathOf", () => {
  test("is the path of what hangs under the root", () => {
    const root = new Root();
    const router = routed(root);
    expect(router.pathOf(root)).toBe("");
    expect(router.pathOf(root.leaf)).toBe("leaf");
    expect(router.pathOf((root.map["inner"] as { leaf: Leaf }).leaf)).toBe("map/inner/leaf");
    expect(router.pathOf(new Leaf())).toBeUndefined();
  });

  test("D7 follows a map that changes", () => {
    const root = new Root();
    const router = routed(root);
    const late = new Leaf();
    expect(router.pathOf(late)).toBeUndefined();
    root.map["late"] = late;
    expect(router.pathOf(late)).toBe("map/late");
    delete root.map["late"];
    expect(router.pathOf(late)).toBeUndefined();
  });

  test("leads back for every service: names that a path can't hold have none", () => {
    const [slash, empty] = [new Leaf(), new Leaf()];
    const router = routed(service({ "a/b": slash, "": empty, a: service({}) }));
    expect(router.pathOf(slash)).toBeUndefined();
    expect(router.pathOf(empty)).toBeUndefined();
  });

  test("ends in a ring of services, and in a large tree", () => {
    const ring = service<Record<string, object>>({});
    ring["self"] = service({ back: ring });
    expect(routed(ring).pathOf(new Leaf())).toBeUndefined();
    const wide = service(Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`s${index}`, new Leaf()])));
    expect(routed(wide).pathOf(new Leaf())).toBeUndefined();
  });
});
