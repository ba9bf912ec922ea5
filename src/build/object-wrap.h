// Included before better-sqlite3 is compiled, by native.sh. Since 24.19 Node's ObjectWrap removes a cleanup hook when it
// is collected, which aborts the process when a collection begins with no context entered, as those that JavaScript's
// own allocations begin do (nodejs/node#65446). Without the two calls it is the ObjectWrap of every earlier Node.
#include <node.h>
#define AddEnvironmentCleanupHook(...) static_cast<void>(0)
#define RemoveEnvironmentCleanupHook(...) static_cast<void>(0)
#include <node_object_wrap.h>
#undef AddEnvironmentCleanupHook
#undef RemoveEnvironmentCleanupHook
