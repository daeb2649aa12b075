"""The bridges: one module a runtime. Each satisfies `joulia.bridge.Bridge`."""
