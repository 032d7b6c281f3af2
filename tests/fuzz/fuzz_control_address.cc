// Goal: any text is refused, or is a host and a port. Method: host and port are found again in the text; a numeric
// address is written and read back.
#include <boost/asio/ip/address.hpp>

#include "fuzz.h"
#include "runtime/control/address.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gossamer;
  fuzz::Input input(data, size);
  const std::string words(fuzz::as_text(input.take_rest()));
  const Result<runtime::HostPort> where = runtime::parse_host_port(words);
  if (!where.ok()) {
    fuzz::check_refusal(where.error(), Code::invalid_argument);
    return 0;
  }
  GOSSAMER_CHECK(where->port != 0 && !where->host.empty(), "an address without host or port");
  const bool bracketed = words.starts_with("[" + where->host + "]:");
  GOSSAMER_CHECK(bracketed || words.starts_with(where->host + ":"), "a host that is not the text's");
  GOSSAMER_CHECK(bracketed || where->host.find(':') == std::string::npos, "a colon in a host without brackets");
  std::string digits = words.substr(where->host.size() + (bracketed ? 3 : 1));
  digits.erase(0, digits.find_first_not_of('0'));
  GOSSAMER_CHECK(digits == std::to_string(where->port), "a port that is not the text's");

  boost::system::error_code not_numeric;
  const auto address = boost::asio::ip::make_address(where->host, not_numeric);
  if (not_numeric || where->host.find('%') != std::string::npos) return 0;  // zones belong to a machine
  const auto addresses = runtime::resolve(*where, runtime::time_after(0));
  GOSSAMER_CHECK(addresses.ok() && addresses->size() == 1, "a numeric address needs no look-up");
  const runtime::SocketAddress socket_address = addresses->front();
  GOSSAMER_CHECK(socket_address.address() == address && socket_address.port() == where->port,
                 "another socket address than the text's");
  const auto again = runtime::parse_host_port(runtime::socket_address_text(socket_address));
  GOSSAMER_CHECK(again.ok() && again->port == where->port, "a socket address whose text is no address");
  GOSSAMER_CHECK(boost::asio::ip::make_address(again->host) == address, "a socket address whose text is another");
  return 0;
}
