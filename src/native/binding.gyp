{
  "targets": [
    {
      "target_name": "firehook",
      "sources": [
        "addon.cc", "packet-exports.cc", "datagram-exports.cc", "identity-exports.cc",
        "datagram-sender.cc", "fence.cc", "identity.cc", "poller.cc", "ring.cc", "send-messages.cc", "sender.cc"
      ],
      "cflags_cc": ["-std=c++17", "-O2", "-Wall", "-Wextra", "-Wno-cast-function-type", "-fvisibility=hidden"],
      "cflags_cc!": ["-fno-exceptions"],
      "defines": ["NAPI_VERSION=8"],
      "conditions": [
        ["'<!(echo ${FIREHOOK_ASAN:-0})'=='1'", {
          "cflags_cc": ["-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-g"],
          "ldflags": ["-fsanitize=address,undefined"]
        }]
      ]
    }
  ]
}
