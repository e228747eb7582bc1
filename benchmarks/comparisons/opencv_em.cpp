#include <opencv2/core.hpp>
#include <opencv2/ml.hpp>

#include "problem.hpp"

namespace {

/// Time of trainE(), which ends with an E-step: a count of m + 1 is m iterations and one E-step more. The mean
/// log-likelihood after them.
double seconds_of(const Problem& p, const cv::Mat& x, int iterations, double& mean_log_likelihood) {
  const int d = static_cast<int>(p.d), components = static_cast<int>(p.components);
  const cv::Mat means(components, d, CV_64F, const_cast<double*>(p.means.data()));
  const std::vector<cv::Mat> covariances(p.components, cv::Mat::eye(d, d, CV_64F));
  const cv::Mat weights(1, components, CV_64F, cv::Scalar(1 / static_cast<double>(components)));
  const auto model = cv::ml::EM::create();
  model->setClustersNumber(components);
  model->setCovarianceMatrixType(p.full ? cv::ml::EM::COV_MAT_GENERIC : cv::ml::EM::COV_MAT_DIAGONAL);
  model->setTermCriteria(cv::TermCriteria(cv::TermCriteria::COUNT, iterations + 1, 0));
  cv::Mat log_likelihoods;
  const double begin = seconds_now();
  if (!model->trainE(x, means, covariances, weights, log_likelihoods)) throw std::runtime_error("OpenCV failed");
  const double seconds = seconds_now() - begin;
  mean_log_likelihood = cv::mean(log_likelihoods)[0];
  return seconds;
}

}  // namespace

int main(int argc, char** argv) {
  Problem p = read_problem(argc, argv);
  cv::setNumThreads(p.threads);
  const cv::Mat x(static_cast<int>(p.n), static_cast<int>(p.d), CV_64F, p.data.data());
  double mean_log_likelihood = 0;
  const double e_step = seconds_of(p, x, 0, mean_log_likelihood);
  const double all = seconds_of(p, x, p.iterations, mean_log_likelihood);
  print_result(p, std::string("OpenCV ") + CV_VERSION, mean_log_likelihood, (all - e_step) / p.iterations);
}
