// The VGG family. torchvision: models.vgg11 ... vgg19, with and without _bn (Simonyan and Zisserman, 2015).
#include <map>

#include "src/network/graph.h"

namespace swag {

Graph make_vgg(const std::string& name, bool average_pooling) {
  // Convolutions per block; the widths are the same for all. Never destroyed: at exit a program may still
  // call the library.
  static const auto& kBlocks = *new const std::map<std::string, std::vector<int>>{{"vgg11", {1, 1, 2, 2, 2}},
                                                                                  {"vgg13", {2, 2, 2, 2, 2}},
                                                                                  {"vgg16", {2, 2, 3, 3, 3}},
                                                                                  {"vgg19", {2, 2, 4, 4, 4}}};
  static const int kWidths[] = {64, 128, 256, 512, 512};
  const bool normalised = name.size() > 3 && name.compare(name.size() - 3, 3, "_bn") == 0;
  const std::vector<int>& blocks = kBlocks.at(normalised ? name.substr(0, name.size() - 3) : name);

  Graph graph;
  graph.network = name;
  int x = graph.input();
  int layer = 0;  // index in torchvision's nn.Sequential
  for (int block = 0; block < 5; ++block) {
    for (int i = 0; i < blocks[block]; ++i) {
      const std::string parameters = "features." + std::to_string(layer++);
      x = graph.conv2d(x, parameters, {0, kWidths[block], 3, 3, 1, 1, 1, 1}, true);
      graph.state_conv2d(parameters, graph.nodes[x].conv, true);
      if (normalised) {
        const std::string norm = "features." + std::to_string(layer++);
        x = graph.batch_norm(x, norm);
        graph.state_batch_norm(norm, kWidths[block]);
      }
      x = graph.relu(x, "relu" + std::to_string(block + 1) + "_" + std::to_string(i + 1));
      ++layer;
    }
    x = graph.pool(x, average_pooling ? Op::kAvgPool : Op::kMaxPool, {2, 2, 0, false});
    ++layer;
  }
  graph.state_linear("classifier.0", 512 * 7 * 7, 4096);
  graph.state_linear("classifier.3", 4096, 4096);
  graph.state_linear("classifier.6", 4096, 1000);

  graph.trunk_taps = graph.taps();
  graph.default_style_taps = {"relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"};
  graph.default_content_taps = {"relu4_2"};
  return graph;
}

}  // namespace swag
