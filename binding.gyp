# A thin door to the one native build, for node-gyp and prebuildify: no compiler flags and no sources stand here.
# native/build.mjs runs CMake in out/cmake and copies the addon to where these tools take it from.
# gyp knows one input, so it re-runs the action only on `rebuild`; CMake itself knows what changed.
{
  "targets": [
    {
      "target_name": "artifactstore",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake",
          "inputs": ["native/build.mjs"],
          "outputs": ["<(PRODUCT_DIR)/artifactstore.node"],
          "action": ["node", "native/build.mjs", "--out", "<(PRODUCT_DIR)/artifactstore.node"]
        }
      ]
    }
  ]
}
