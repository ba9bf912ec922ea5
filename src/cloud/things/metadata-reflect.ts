// @peculiar/x509 resolves its parts through tsyringe, which refuses to load without a metadata polyfill, and the
// polyfill is nobody's dependency. These three functions are all that tsyringe asks for. Import before x509.
type MetadataReflect = {
  getMetadata?: (key: unknown, target: object) => unknown;
  getOwnMetadata?: (key: unknown, target: object) => unknown;
  defineMetadata?: (key: unknown, value: unknown, target: object) => void;
};

const reflect = Reflect as MetadataReflect;
if (reflect.getMetadata === undefined) {
  const stored = new WeakMap<object, Map<unknown, unknown>>();
  const getOwn = (key: unknown, target: object): unknown => stored.get(target)?.get(key);
  reflect.getOwnMetadata = getOwn;
  reflect.getMetadata = (key, target) => {
    for (let at: object | null = target; at !== null; at = Object.getPrototypeOf(at) as object | null) {
      const value = getOwn(key, at);
      if (value !== undefined) return value;
    }
    return undefined;
  };
  reflect.defineMetadata = (key, value, target) => {
    const own = stored.get(target) ?? new Map<unknown, unknown>();
    stored.set(target, own.set(key, value));
  };
}
