// Shares that somebody gives: the graph is made by graph_from_matrices or parse_graph, not from a request.
#include "topology/graph_writer.h"

namespace gossamer::topology {

Status write_matrix(const GraphRequest&, GraphWriter&) {
  return Error{Code::invalid_argument, "matrix is of your own shares: it is made of matrices, or read from a file"};
}

}  // namespace gossamer::topology
